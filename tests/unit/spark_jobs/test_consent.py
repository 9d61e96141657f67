"""Users who do not consent at the end of a date are in none of its features and candidates, whenever they bought."""

import importlib
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, purchase

from cartwheel.lake import MissingPartitionError
from spark_jobs.lake import Lake

NEXT = date(2017, 4, 1)
# Of each kind one; all others start from the same history, or from features/user_item.
JOBS = ("item_features", "user_item_features", "user_category_features", "user_features", "sequences", "popular")
LATE = [purchase("ann", "tea", "04-01"), purchase("bob", "tea", "04-01")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory, spark, frame) -> Lake:
    """Bob consents from the second date on, Ann until the first."""
    root = tmp_path_factory.mktemp("lake")
    for day, events, without in ((DAY, TINY_SHOP, "bob"), (NEXT, LATE, "ann")):
        datasets = {
            "interactions": events,
            "items": ITEMS,
            "users": [],
            "item_context": [],
            "no_consent": [{"user_key": without}],
        }
        for dataset, rows in datasets.items():
            frame(dataset, rows).coalesce(1).write.parquet(f"{root}/{dataset}/date={day}")
    lake = Lake(spark, str(root), min_item_purchases=1)
    for day in (DAY, NEXT):
        for name in JOBS:
            importlib.import_module(f"spark_jobs.{name}").JOB.run(lake, day)
    spark.catalog.clearCache()
    return lake


def rows(lake: Lake, dataset: str, day: date) -> list[dict]:
    files = (Path(lake.root) / dataset / f"date={day}").glob("*.parquet")
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


@pytest.mark.parametrize(
    "dataset",
    ["features/user", "features/user_item", "features/sequences", "candidates/popular"],
)
def test_by_date(lake, dataset):
    assert {row["user_key"] for row in rows(lake, dataset, DAY)} == {"ann"}
    assert {row["user_key"] for row in rows(lake, dataset, NEXT)} == {"bob"}


def test_who_consents_again_brings_earlier_purchases(lake):
    (bob,) = rows(lake, "features/sequences", NEXT)
    assert sorted(bob["item_ids"]) == ["jam", "milk", "tea"]


def test_items_do_not_count_them(lake):
    buyers = {row["item_id"]: (row["buyers"], row["purchases"]) for row in rows(lake, "features/item", DAY)}
    assert buyers["milk"] == (1, 3) and buyers["jam"] == (1, 1)


def test_a_date_without_the_list_is_an_error(lake, frame):
    earlier = date(2017, 3, 1)
    frame("interactions", []).coalesce(1).write.parquet(f"{lake.root}/interactions/date={earlier}")
    with pytest.raises(MissingPartitionError, match="no_consent/date=2017-03-01"):
        lake.history(earlier)
