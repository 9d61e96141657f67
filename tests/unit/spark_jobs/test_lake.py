"""The lake as the jobs see it: missing input is named."""

from datetime import date
from pathlib import Path

import pytest
from spark_jobs_shop import DAY

from cartwheel.lake import MissingPartitionError
from spark_jobs.lake import Lake


@pytest.fixture(scope="module")
def root(tmp_path_factory, frame) -> Path:
    """A lake with the list of one date, and without its events."""
    root = tmp_path_factory.mktemp("lake")
    frame("no_consent", []).coalesce(1).write.parquet(f"{root}/no_consent/date={DAY}")
    return root


def test_missing_partition_is_named(spark, root):
    lake = Lake(spark, str(root), min_item_purchases=1)
    with pytest.raises(MissingPartitionError, match=r"features/user_item/date=2017-02-01 is missing or incomplete"):
        lake.read("features/user_item", date(2017, 2, 1))


def test_history_needs_the_events_of_the_date_itself(spark, root):
    lake = Lake(spark, str(root), min_item_purchases=1)
    with pytest.raises(MissingPartitionError, match="interactions/date=2017-03-30"):
        lake.history(date(2017, 3, 30))
