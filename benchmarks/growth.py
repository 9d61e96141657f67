"""What a day costs, against the history behind it: dbt and the lake export on The Complete Journey.

    make bench-growth
    python -m benchmarks.growth --repetitions 5

Two databases: one with 335 days of history (2017-01-01 to 2017-12-01), one with the last 30 of them. Both then take the
same days, one after the other. Before that the long one is rebuilt from its raw tables, all 335 days, several times.
A time is that of dbt's build (models and their data tests, as dbt reports it) and of the lake export; dbt's start, which
is the same for any build, and the ingest are shown apart. Databases and buckets are removed at the end.
Needs the stores: `cartwheel up --stores`.
"""

import argparse
import gzip
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from cartwheel import ingest, lake, warehouse
from cartwheel.dbt import run_dbt
from cartwheel.demo import shop
from cartwheel.export import export
from cartwheel.local.config import load_config
from cartwheel.settings import get_settings

HISTORY_END = date(2017, 12, 1)
LONG, SHORT = 335, 30
console = Console(stderr=True)


@dataclass
class Seconds:
    """Times of one build and export; `models` is the sum over models that run side by side, `dbt` is what they took."""

    start: float
    models: float
    tests: float
    dbt: float
    export: float

    @property
    def cost(self) -> float:
        return self.dbt + self.export


@contextmanager
def own_warehouse_and_lake(name: str) -> Iterator[None]:
    """The settings point to an empty database, landing bucket and lake until the end."""
    config, buckets = load_config(), [f"{name.replace('_', '-')}-{what}" for what in ("landing", "lake")]
    with (
        psycopg.connect(config.postgres_dsn("postgres", "postgres"), autocommit=True) as admin,
        tempfile.TemporaryDirectory() as logs,
    ):
        identifier = sql.Identifier(name)
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        admin.execute(sql.SQL("create database {} owner cartwheel").format(identifier))
        os.environ |= {
            "CARTWHEEL_POSTGRES_DSN": config.postgres_dsn("cartwheel", name, "cartwheel"),
            "CARTWHEEL_LANDING_BUCKET": buckets[0], "CARTWHEEL_LAKE_BUCKET": buckets[1], "CARTWHEEL_SHOP_FILE": "",
            "DBT_TARGET_PATH": logs, "DBT_LOG_PATH": logs,
        }  # fmt: skip
        get_settings.cache_clear()
        try:
            for bucket in buckets:
                remove_bucket(bucket)
                lake.s3_client().create_bucket(Bucket=bucket)
            warehouse.migrate()
            yield
        finally:
            for bucket in buckets:
                remove_bucket(bucket)
            admin.execute(sql.SQL("drop database {} with (force)").format(identifier))


def remove_bucket(bucket: str) -> None:
    client = lake.s3_client()
    if bucket in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        for item in lake.list_objects(bucket):
            client.delete_object(Bucket=bucket, Key=item["Key"])
        client.delete_bucket(Bucket=bucket)


def land(first: date, last: date) -> None:
    """The shop's files of the dates; the catalogue and the users come with the first."""
    shop.land(first, last)
    for dataset, frame in (("items", shop.items()), ("users", shop.users())):
        body = gzip.compress(frame.write_csv().encode(), compresslevel=1, mtime=0)
        lake.s3_client().put_object(Bucket=get_settings().landing_bucket, Key=f"{dataset}/{first}.csv.gz", Body=body)


def build(day: date, *options: str) -> Seconds:
    """`dbt build` of a date as Airflow runs it, and the export."""
    started = time.perf_counter()
    variables = f"{{partition_date: '{day}'}}"
    run_dbt("build", "--exclude-resource-type", "unit_test", "--vars", variables, *options, capture=True)
    wall = time.perf_counter() - started
    report = json.loads(Path(os.environ["DBT_TARGET_PATH"], "run_results.json").read_text())
    spent = {"model": 0.0, "test": 0.0}
    for result in report["results"]:
        spent[result["unique_id"].split(".")[0]] = spent.get(result["unique_id"].split(".")[0], 0.0) + result["execution_time"]
    started = time.perf_counter()
    export(day)
    took = time.perf_counter() - started
    return Seconds(wall - report["elapsed_time"], spent["model"], spent["test"], report["elapsed_time"], took)


def rebuild() -> Seconds:
    """Every date again, from raw to the lake."""
    with warehouse.connect() as connection:
        connection.execute("truncate ops.built_dates")
    bucket = get_settings().lake_bucket
    for item in lake.list_objects(bucket):
        lake.s3_client().delete_object(Bucket=bucket, Key=item["Key"])
    return build(HISTORY_END, "--full-refresh")


def settle() -> None:
    """Statistics and visibility as autovacuum would have left them, so that chance does not decide when it runs."""
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("vacuum analyze")


def measure(name: str, days_of_history: int, rebuilds: int, days: list[date]) -> tuple[list[Seconds], list[Seconds], list[float]]:
    """Times of the rebuilds of the history, of each day after it, and of each day's ingest."""
    with own_warehouse_and_lake(name):
        land(HISTORY_END - timedelta(days=days_of_history - 1), days[-1])
        ingest.ingest(HISTORY_END)
        settle()
        whole = []
        for number in range(rebuilds):
            whole.append(rebuild())
            console.print(f"rebuild of {days_of_history} days, {number + 1} of {rebuilds}: {whole[-1].cost:.1f} s")
        settle()
        each, loads = [], []
        for number, day in enumerate(days):
            started = time.perf_counter()
            ingest.ingest(day)
            loads.append(time.perf_counter() - started)
            each.append(build(day))
            console.print(f"{day} after {days_of_history + number} days: {each[-1].cost:.1f} s")
        return whole, each, loads


def medians(runs: list[Seconds]) -> Seconds:
    return Seconds(*(statistics.median(getattr(run, field.name) for run in runs) for field in fields(Seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="rebuilds, and days")
    repetitions = parser.parse_args().repetitions
    days = [HISTORY_END + timedelta(days=n + 1) for n in range(repetitions)]
    _, short, _ = measure("cartwheel_bench_growth_short", SHORT, 1, days)
    whole, long, loads = measure("cartwheel_bench_growth_long", LONG, repetitions, days)

    rows = {f"rebuild of {LONG} days": whole, f"a day after {LONG}": long, f"the same day after {SHORT}": short}
    table = Table("seconds, medians", "models", "data tests", "dbt's build", "lake export", "build and export", "dbt's start")
    for label, runs in rows.items():
        middle, cost = medians(runs), statistics.median(run.cost for run in runs)
        times = (middle.models, middle.tests, middle.dbt, middle.export, cost, middle.start)
        table.add_row(label, *(f"{value:.2f}" for value in times))
    console.print(table)
    rebuild_s, day_s, early_day_s = (statistics.median(run.cost for run in runs) for runs in rows.values())
    figures = {
        "increment_to_rebuild": round(day_s / rebuild_s, 4),
        "day_growth": round(day_s / early_day_s, 3),
        "day_growth_models": round(medians(long).models / medians(short).models, 3),
        "rebuild_s": round(rebuild_s, 2),
        "day_s": round(day_s, 2),
        "early_day_s": round(early_day_s, 2),
        "ingest_day_s": round(statistics.median(loads), 2),
        **{f"day_{name}_s": round(value, 2) for name, value in asdict(medians(long)).items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
