"""All jobs on a made-up shop: what happens after a date or before its history changes no byte; nor do views, or any order."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from random_shop import DAY, HISTORY_DAYS, shop, with_another_future_and_past

from cartwheel.contracts import LAKE_SCHEMAS
from spark_jobs import sequences
from spark_jobs.__main__ import JOBS
from spark_jobs.history import end_of
from spark_jobs.job import Job
from spark_jobs.lake import Lake

OUTPUTS = [dataset for dataset in LAKE_SCHEMAS if dataset.startswith(("features/", "candidates/"))]
KNOWN = shop(Random(20170331))
Folder = Callable[[], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Folder:
    return lambda: tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def built(spark, folder) -> Path:
    """The lake of the known shop, with all outputs of the date."""
    root = folder()
    KNOWN.write(root)
    run(spark, root, map(job_named, JOBS))
    return root


def job_named(name: str) -> Job:
    return importlib.import_module(f"spark_jobs.{name}").JOB


def run(spark, root: Path, jobs: Iterable[Job]) -> None:
    lake = Lake(spark, str(root), min_item_purchases=1, history_days=HISTORY_DAYS)
    for job in jobs:
        job.run(lake, DAY)
    spark.catalog.clearCache()


def changed(before: Path, after: Path, datasets: Iterable[str] = OUTPUTS) -> list[str]:
    """The datasets whose contents differ, in the bytes of their files or, where these are cut otherwise, of their rows."""
    return [name for name in datasets if files(before, name) != files(after, name) and rows(before, name) != rows(after, name)]


def files(root: Path, dataset: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((root / dataset / f"date={DAY}").glob("*.parquet"))]


def rows(root: Path, dataset: str) -> bytes:
    """All rows in the order of their keys, bit by bit."""
    table = pa.concat_tables(tables(root, dataset))
    keys = [(column.name, "ascending") for column in table.schema if pa.types.is_string(column.type)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.sort_by(keys).combine_chunks())
    return sink.getvalue().to_pybytes()


def tables(root: Path, dataset: str) -> Iterator[pa.Table]:
    for file in (root / dataset / f"date={DAY}").glob("*.parquet"):
        yield pq.read_table(file, partitioning=None)


def test_every_output_holds_rows_in_the_columns_of_its_contract(built):
    assert len(OUTPUTS) == len(JOBS)
    for dataset in OUTPUTS:
        assert (built / dataset / f"date={DAY}" / "_SUCCESS").exists(), dataset
        assert sum(table.num_rows for table in tables(built, dataset)) > 0, dataset
        for table in tables(built, dataset):
            assert table.schema.names == LAKE_SCHEMAS[dataset].names, dataset
            assert table.schema.types == LAKE_SCHEMAS[dataset].types, dataset


@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_no_other_future_or_distant_past_no_view_and_no_order_of_rows_changes_a_byte(spark, folder, built, seed):
    draw, root = Random(seed), folder()
    with_another_future_and_past(KNOWN, draw).write(root, draw)
    partitions = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    try:
        run(spark, root, map(job_named, JOBS))
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
    assert partitions != "3"
    assert changed(built, root) == []


def next_date(lake, day):
    return sequences.extract(lake, day + timedelta(days=1))


def next_users(lake, day):
    return {"users": lake.read("users", day + timedelta(days=1))}


def lengths(day, users):
    return padded(users.select("user_key", F.length("income_band").alias("spend_1")))


def events(lake, day):
    return {"events": lake.read("interactions", day)}


def first_prices(day, events):
    return padded(events.where(F.col("event_ts") < F.lit(end_of(day))).groupBy("user_key").agg(F.first("price").alias("spend_1")))


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(replace(sequences.JOB, extract=next_date), id="reads the next date's events"),
        pytest.param(Job("features/user", next_users, lengths), id="reads the next date's snapshot"),
        pytest.param(Job("features/user", events, first_prices), id="depends on the order of rows"),
    ],
)
def test_a_job_that_leaks_is_found(spark, folder, job):
    roots = []
    for seed in (1, 2):
        draw, root = Random(seed), folder()
        with_another_future_and_past(KNOWN, draw).write(root, draw)
        run(spark, root, [job])
        roots.append(root)
    assert changed(*roots, [job.output]) == [job.output]


def padded(frame):
    """The frame with the other columns of features/user, empty."""
    return frame.withColumns({name: F.lit(None) for name in LAKE_SCHEMAS["features/user"].names if name not in frame.columns})
