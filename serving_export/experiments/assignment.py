"""Which variant a user is in: a salted hash, the same in Python and in SQL.

The unit is `user_key`, the keyed hash that the marts know; whoever has the shop's id takes `cartwheel.warehouse.user_key` of
it first. `ops.experiment_bucket` (cartwheel/sql/35_experiments.sql) is `bucket` in the database. Nothing is stored and nothing
is drawn: the same user is in the same variant everywhere, always. The experiment's name is the salt, so that experiments
running at once are independent of one another.
"""

import hashlib
from datetime import date

from serving_export.experiments.definitions import BUCKETS, Experiment


def bucket(experiment: str, user_key: str) -> int:
    """A number from 0 to 9,999: the first 32 bits of SHA-256 of `experiment:user_key`, modulo 10,000."""
    return int.from_bytes(hashlib.sha256(f"{experiment}:{user_key}".encode()).digest()[:4]) % BUCKETS


def variant_of(experiment: Experiment, user_key: str) -> str | None:
    """The user's variant; None for users who take no part."""
    own = bucket(experiment.name, user_key)
    return next((name for name, (first, until) in experiment.ranges.items() if first <= own < until), None)


def running(experiments: dict[str, Experiment], day: date) -> list[Experiment]:
    """The experiments that run on a day."""
    return [each for each in experiments.values() if each.starts_on <= day <= each.ends_on]
