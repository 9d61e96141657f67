"""What all DAGs have in common."""

from datetime import date, timedelta
from enum import StrEnum

from airflow.sdk import IdentityMapper, PartitionedAssetTimetable

from cartwheel.contracts import parse_partition_key

PARTITION_KEY = "{{ dag_run.partition_key }}"


class Tag(StrEnum):
    """The tags a DAG may have."""

    daily = "daily"
    weekly = "weekly"
    ingest = "ingest"
    warehouse = "warehouse"
    features = "features"
    training = "training"
    serving = "serving"
    privacy = "privacy"


def dag_options(*tags: Tag) -> dict:
    """Keyword arguments for every DAG: one run at a time, so that two dates never write at once."""
    return {
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["cartwheel", *tags],
        "default_args": {"owner": "data-engineering", "retries": 2, "retry_delay": timedelta(seconds=30)},
    }


def after(asset) -> PartitionedAssetTimetable:
    """Run once for each partition key of the asset, with the same key."""
    return PartitionedAssetTimetable(assets=asset, default_partition_mapper=IdentityMapper())


def partition_day(dag_run) -> date:
    """The business date of a run.

    Raises:
        ValueError: the run was started without a partition key, or with one that is not a date.
    """
    if not dag_run.partition_key:
        raise ValueError("this run has no partition key: use `cartwheel run DATE`, or fill in Partition Key in the form")
    return parse_partition_key(dag_run.partition_key)
