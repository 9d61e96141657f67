"""The assets by which the DAGs hand over to one another, each for one partition key (a business date).

raw_events → lake → candidates → champion → release
"""

from airflow.sdk import Asset

RAW_EVENTS = Asset("raw_events", uri="cartwheel://warehouse/raw")
LAKE = Asset("lake", uri="cartwheel://lake/interactions")
CANDIDATES = Asset("candidates", uri="cartwheel://lake/candidates")
CHAMPION = Asset("champion", uri="cartwheel://models/ranker")
RELEASE = Asset("release", uri="cartwheel://serving/release")
