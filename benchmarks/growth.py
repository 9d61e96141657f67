"""What a day costs, against the history behind it: dbt and the lake export on The Complete Journey.

    make bench-growth
    python -m benchmarks.growth --repetitions 5

Two databases: one with 335 days of history (2017-01-01 to 2017-12-01), one with the last 30 of them. The long one is
rebuilt from its raw tables, all 335 days, several times. Then both take the same days, in turns.
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
from collections.abc import Callable
from dataclasses import dataclass
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
from cartwheel.local.config import LocalConfig, load_config
from cartwheel.settings import get_settings

HISTORY_END = date(2017, 12, 1)
LONG, SHORT = 335, 30
console = Console(stderr=True)


@dataclass
class Cost:
    """Seconds of one build and export; models run side by side, so that `dbt` is less than their sum."""

    start: float
    dbt: float
    export: float
    models: dict[str, float]  # by name
    tests: float

    @property
    def total(self) -> float:
        return self.dbt + self.export


class Shop:
    """A warehouse, a landing bucket and a lake of its own, with so many days of history."""

    def __init__(self, admin: psycopg.Connection, config: LocalConfig, days_of_history: int, logs: Path) -> None:
        self.admin, self.name = admin, f"cartwheel_bench_growth_{days_of_history}"
        self.first = HISTORY_END - timedelta(days=days_of_history - 1)
        self.buckets = [f"{self.name.replace('_', '-')}-{what}" for what in ("landing", "lake")]
        self.settings = {
            "CARTWHEEL_POSTGRES_DSN": config.postgres_dsn("cartwheel", self.name, "cartwheel"),
            "CARTWHEEL_LANDING_BUCKET": self.buckets[0],
            "CARTWHEEL_LAKE_BUCKET": self.buckets[1],
            "CARTWHEEL_SHOP_FILE": "",
            "DBT_TARGET_PATH": str(logs / self.name),
            "DBT_LOG_PATH": str(logs / self.name),
        }

    def use(self) -> None:
        """The settings point here from now on."""
        os.environ |= self.settings
        get_settings.cache_clear()

    def create(self, last: date) -> None:
        """With the files up to `last` landed, and the history loaded; the catalogue and the users come with its first day."""
        self.remove()
        self.admin.execute(sql.SQL("create database {} owner cartwheel").format(sql.Identifier(self.name)))
        self.use()
        for bucket in self.buckets:
            lake.s3_client().create_bucket(Bucket=bucket)
        warehouse.migrate()
        shop.land(self.first, last)
        for dataset, frame in (("items", shop.items()), ("users", shop.users())):
            body = gzip.compress(frame.write_csv().encode(), compresslevel=1, mtime=0)
            lake.s3_client().put_object(Bucket=self.buckets[0], Key=f"{dataset}/{self.first}.csv.gz", Body=body)
        ingest.ingest(HISTORY_END)
        settle()

    def remove(self) -> None:
        for bucket in self.buckets:
            remove_bucket(bucket)
        self.admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))


def remove_bucket(bucket: str) -> None:
    client = lake.s3_client()
    if bucket in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        for item in lake.list_objects(bucket):
            client.delete_object(Bucket=bucket, Key=item["Key"])
        client.delete_bucket(Bucket=bucket)


def build(day: date, *options: str) -> Cost:
    """`dbt build` of a date as Airflow runs it, and the export."""
    started = time.perf_counter()
    variables = f"{{partition_date: '{day}'}}"
    run_dbt("build", "--exclude-resource-type", "unit_test", "--vars", variables, *options, capture=True)
    wall = time.perf_counter() - started
    report = json.loads(Path(os.environ["DBT_TARGET_PATH"], "run_results.json").read_text())
    ids = [(*result["unique_id"].split("."), result["execution_time"]) for result in report["results"]]
    models = {name: took for kind, _, name, *_, took in ids if kind == "model"}
    tests = sum(took for kind, *_, took in ids if kind == "test")
    started = time.perf_counter()
    export(day)
    return Cost(wall - report["elapsed_time"], report["elapsed_time"], time.perf_counter() - started, models, tests)


def rebuild() -> Cost:
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


def measure(repetitions: int) -> tuple[list[Cost], list[Cost], list[Cost], list[float]]:
    """Costs of the rebuilds, of each day after the long history and after the short one, and seconds of each day's ingest."""
    days = [HISTORY_END + timedelta(days=number + 1) for number in range(repetitions)]
    config = load_config()
    whole, late, early, loads = [], [], [], []
    with (
        psycopg.connect(config.postgres_dsn("postgres", "postgres"), autocommit=True) as admin,
        tempfile.TemporaryDirectory() as logs,
    ):
        long, short = (Shop(admin, config, length, Path(logs)) for length in (LONG, SHORT))
        try:
            short.create(days[-1])
            rebuild()
            settle()
            long.create(days[-1])
            for number in range(repetitions):
                whole.append(rebuild())
                console.print(f"rebuild of {LONG} days, {number + 1} of {repetitions}: {whole[-1].total:.1f} s")
            settle()
            for day in days:
                for place, costs in ((short, early), (long, late)):
                    place.use()
                    started = time.perf_counter()
                    ingest.ingest(day)
                    loads.append(time.perf_counter() - started)
                    costs.append(build(day))
                console.print(
                    f"{day}: {late[-1].total:.1f} s after the long history, {early[-1].total:.1f} s after the short one"
                )
        finally:
            long.remove()
            short.remove()
    return whole, late, early, loads


def median(costs: list[Cost], value: Callable[[Cost], float]) -> float:
    return statistics.median(value(cost) for cost in costs)


def show(rows: dict[str, list[Cost]]) -> None:
    """The parts of each kind of build, and the models that the history makes slower."""
    table = Table("seconds, medians", "build and export", "dbt's build", "lake export", "models", "data tests", "dbt's start")
    for label, costs in rows.items():
        parts = (lambda c: c.total, lambda c: c.dbt, lambda c: c.export, lambda c: sum(c.models.values()), lambda c: c.tests,
                 lambda c: c.start)  # fmt: skip
        table.add_row(label, *(f"{median(costs, part):.2f}" for part in parts))
    console.print(table)
    _, late, early = rows.values()
    slower = Table("models slowest after the long history", f"after {SHORT}", f"after {LONG}")
    times = {name: [statistics.median(cost.models[name] for cost in costs) for costs in (early, late)] for name in late[0].models}
    for name, (before, after) in sorted(times.items(), key=lambda item: item[1][1], reverse=True)[:8]:
        slower.add_row(name, f"{before:.2f}", f"{after:.2f}")
    console.print(slower)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="rebuilds, and days")
    whole, late, early, loads = measure(parser.parse_args().repetitions)
    show({f"rebuild of {LONG} days": whole, f"a day after {LONG}": late, f"the same day after {SHORT}": early})
    rebuild_s, day_s, early_day_s = (median(costs, lambda cost: cost.total) for costs in (whole, late, early))
    figures = {
        "increment_to_rebuild": day_s / rebuild_s,
        "day_growth": day_s / early_day_s,
        "rebuild_s": rebuild_s,
        "day_s": day_s,
        "early_day_s": early_day_s,
        "models_growth": median(late, lambda c: sum(c.models.values())) / median(early, lambda c: sum(c.models.values())),
        "day_models_s": median(late, lambda cost: sum(cost.models.values())),
        "day_export_s": median(late, lambda cost: cost.export),
        "dbt_start_s": median(late, lambda cost: cost.start),
        "day_ingest_s": statistics.median(loads),
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
