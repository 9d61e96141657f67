"""The jobs on a lake of files: what happens after a date changes no byte of it; missing input is named."""

import importlib
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, purchase

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.lake import MissingPartitionError
from spark_jobs.__main__ import JOBS
from spark_jobs.lake import Lake

OUTPUTS = [dataset for dataset in LAKE_SCHEMAS if dataset.startswith(("features/", "candidates/"))]
LATE = [purchase("ann", "tea", "04-01 00:00"), purchase("bob", "gone", "04-02"), purchase("new", "jam", "04-02")]
TASTES = [purchase(f"u{n}", item, f"03-{n + 10}") for n in range(9) for item in ("milk", "tea", "jam") if (n + len(item)) % 3]


@pytest.fixture(scope="module")
def root(tmp_path_factory, frame) -> Path:
    """A lake with what a date needs; the events lie in the partitions of two dates."""
    root = tmp_path_factory.mktemp("lake")
    add_events(root, frame, "2017-03-21", [e for e in TINY_SHOP if e["event_ts"].date() <= date(2017, 3, 21)] + TASTES)
    add_events(root, frame, "2017-03-31", [e for e in TINY_SHOP if e["event_ts"].date() > date(2017, 3, 21)])
    users = [{"user_key": "ann", "income_band": "high"}, {"user_key": "bob"}]
    items = [
        item | {"department": "food", "category": "food"} for item in ITEMS
    ]  # something in common, for the sources that go by it
    for dataset, rows in {"items": items, "users": users, "no_consent": [], "item_context": []}.items():
        frame(dataset, rows).coalesce(1).write.parquet(f"{root}/{dataset}/date={DAY}")
    return root


def add_events(root: Path, frame, day: str, events: list[dict]) -> None:
    frame("interactions", events).coalesce(1).write.mode("overwrite").parquet(f"{root}/interactions/date={day}")


def run_all(spark, root: Path) -> None:
    lake = Lake(spark, str(root), min_item_purchases=1)
    for name in JOBS:
        importlib.import_module(f"spark_jobs.{name}").JOB.run(lake, DAY)
    spark.catalog.clearCache()


def contents(root: Path) -> dict[str, list[bytes]]:
    return {name: [file.read_bytes() for file in sorted((root / name / f"date={DAY}").glob("*.parquet"))] for name in OUTPUTS}


@pytest.fixture(scope="module")
def built(spark, root) -> dict[str, list[bytes]]:
    run_all(spark, root)
    return contents(root)


def test_every_output_holds_rows_in_the_columns_of_its_contract(root, built):
    assert len(OUTPUTS) == len(JOBS)
    for dataset in OUTPUTS:
        partition = root / dataset / f"date={DAY}"
        assert (partition / "_SUCCESS").exists(), dataset
        tables = [pq.read_table(file, partitioning=None) for file in partition.glob("*.parquet")]
        assert sum(table.num_rows for table in tables) > 0, dataset
        for table in tables:
            assert table.schema.names == LAKE_SCHEMAS[dataset].names, dataset
            assert table.schema.types == LAKE_SCHEMAS[dataset].types, dataset


def test_events_after_the_date_change_no_byte(spark, frame, root, built):
    add_events(root, frame, "2017-04-02", LATE)  # a later partition
    misplaced = [e for e in TINY_SHOP if e["event_ts"].date() > date(2017, 3, 21)] + LATE[:1]
    add_events(root, frame, "2017-03-31", misplaced)  # and an event of the next day in the date's own partition
    run_all(spark, root)
    again = contents(root)
    assert [name for name in OUTPUTS if again[name] != built[name]] == []


def test_missing_partition_is_named(spark, root):
    lake = Lake(spark, str(root), min_item_purchases=1)
    with pytest.raises(MissingPartitionError, match=r"features/user_item/date=2017-02-01 is missing or incomplete"):
        lake.read("features/user_item", date(2017, 2, 1))


def test_history_needs_the_events_of_the_date_itself(spark, root):
    lake = Lake(spark, str(root), min_item_purchases=1)
    with pytest.raises(MissingPartitionError, match="interactions/date=2017-03-30"):
        lake.history(date(2017, 3, 30))
