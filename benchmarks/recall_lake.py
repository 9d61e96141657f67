"""The lakes of the recall benchmark: all sources asked for 500 items a user, on the demo's lake or on a file of sequences."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import polars as pl

from cartwheel.contracts import CANDIDATE_SOURCES, LAKE_SCHEMAS
from cartwheel.lake import EXPORTED
from cartwheel.settings import get_settings

FEATURES = ("item_features", "user_item_features")
SIZE = 500
USERS_OF_A_FILE = 5000  # candidates are made for all users; recall is measured on the first so many by the hash of their id
FILE_DAY = date(2020, 1, 1)  # the files have an order, not dates: a user's last item but one is bought on this day
# What a file of sequences lacks, by the source that cannot do without it.
LACKING = {
    "buy_again": "repeat purchases",
    "co_purchase": "baskets",
    "content": "titles and hierarchy",
    "trending": "times",
    "new_items": "times",
}


@dataclass(frozen=True)
class Task:
    """A lake to find candidates in, and what was bought after its date (user_key, item_id)."""

    root: Path
    day: date
    bought_after: pl.DataFrame
    sources: tuple[str, ...]
    min_item_purchases: int


def demo_task(root: Path, day: date, purchases: Path | None) -> Task:
    """The demo's lake, linked into `root`; the truth is a file of purchases, or the lake's own 28 days after the date.

    Raises:
        ValueError: the lake is no folder of this machine.
    """
    settings = get_settings()
    uri = urlparse(settings.lake_uri)
    if uri.scheme != "file":
        raise ValueError(f"lake_uri {settings.lake_uri} is not a local folder: run `make demo` with the embedded stores")
    for dataset in EXPORTED:
        if not (root / dataset).exists():
            (root / dataset).symlink_to(Path(uri.path) / dataset)
    if purchases:
        after = pl.read_parquet(purchases)
    else:
        days = [day + timedelta(days=n + 1) for n in range(settings.label_window_days)]
        files = [file for d in days for file in sorted((root / f"interactions/date={d}").glob("*.parquet"))]
        after = pl.read_parquet(files, hive_partitioning=False).filter(pl.col("event_type") == "purchase")
    after = after.select("user_key", "item_id").drop_nulls().unique()
    return Task(root, day, after, CANDIDATE_SOURCES, settings.min_item_purchases)


def file_task(root: Path, data: Path) -> Task:
    """A lake of a file with one user a line, `user item item …` in the order of time; the last item is the truth.

    A user's items lie a day apart, the last but one on the date itself.
    """
    lines = [line.split() for line in data.read_text().splitlines() if line.strip()]
    users = pl.DataFrame({"user_key": [user for user, *_ in lines], "item_id": [items for _, *items in lines]})
    place = pl.int_range(pl.len()).over("user_key")
    steps = users.explode("item_id").with_columns(back=pl.len().over("user_key") - 1 - place)
    noon = datetime.combine(FILE_DAY, time(12), UTC)
    events = steps.filter(pl.col("back") > 0).select(
        "user_key",
        "item_id",
        event_ts=pl.lit(noon) - pl.duration(days=pl.col("back") - 1),
        event_type=pl.lit("purchase"),
        quantity=pl.lit(1.0),
    )
    write(root, "interactions", events.with_columns(event_id=pl.concat_str("user_key", "item_id", "event_ts", separator="|")))
    write(root, "items", steps.select("item_id").unique().sort("item_id").with_columns(available=pl.lit(True)))
    write(root, "users", users.select("user_key"))
    write(root, "no_consent", users.select("user_key").clear())
    write(root, "item_context", steps.select("item_id").clear())
    sources = tuple(source for source in CANDIDATE_SOURCES if source not in LACKING)
    last = steps.filter(pl.col("back") == 0).select("user_key", "item_id")
    by_hash = [sha256(user.encode()).hexdigest() for user in last["user_key"]]
    return Task(root, FILE_DAY, last[np.argsort(by_hash)[:USERS_OF_A_FILE]], sources, 1)


def write(root: Path, dataset: str, rows: pl.DataFrame) -> None:
    """One partition in the columns of the lake; those that the rows lack are null."""
    schema = LAKE_SCHEMAS[dataset]
    folder = root / dataset / f"date={FILE_DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [pl.lit(None).alias(name) for name in schema.names if name not in rows.columns]
    table = rows.with_columns(missing).select(schema.names).to_arrow().cast(schema)
    pl.DataFrame(table).write_parquet(folder / "part-0.parquet")
    (folder / "_SUCCESS").touch()


def build(task: Task) -> dict[str, int]:
    """Run the jobs of the task's sources on its lake, and the union on lists as long as the jobs make them otherwise.

    What is there already stays. Returns the length of each source's list.
    """
    from spark_jobs import candidates
    from spark_jobs.lake import Lake
    from spark_jobs.session import spark_session

    spark = spark_session("recall")
    try:
        lake = Lake(spark, str(task.root), task.min_item_purchases)
        modules = {name: import_module(f"spark_jobs.{name}") for name in (*FEATURES, *task.sources)}
        depths = {source: modules[source].SIZE for source in task.sources}
        for name, module in modules.items():
            if name in depths:
                module.SIZE = SIZE
            if not (task.root / module.JOB.output / f"date={task.day}" / "_SUCCESS").exists():
                module.JOB.run(lake, task.day)
        users = spark.createDataFrame(task.bought_after.select("user_key").unique().to_arrow())
        lists = {
            source: lake.read(f"candidates/{source}", task.day)
            .where(f"rank <= {depths[source]}")
            .join(users, "user_key", "left_semi")
            for source in depths
        }
        candidates.UNION_SIZE = SIZE
        union = candidates.transform(task.day, lake.read("features/user_item", task.day), **lists)
        union.select("user_key", "item_id", "fused_score").write.mode("overwrite").parquet(f"{task.root}/union")
    finally:
        spark.stop()
    return depths


def read(task: Task, dataset: str, columns: Iterable[str]) -> pl.DataFrame:
    """One partition of the task's lake; of lists only those of the users whose purchases are known."""
    files = sorted((task.root / dataset / f"date={task.day}").glob("*.parquet"))
    rows = pl.scan_parquet(files, hive_partitioning=False).select(columns)
    if dataset.startswith("candidates/"):
        rows = rows.join(task.bought_after.lazy().select("user_key").unique(), on="user_key", how="semi")
    return rows.collect()
