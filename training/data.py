"""What training and evaluation read of the lake, as frames."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from cartwheel import lake
from cartwheel.settings import get_settings

DATASETS = {
    "sequences": "features/sequences",
    "user": "features/user",
    "item": "features/item",
    "user_item": "features/user_item",
    "user_subcategory": "features/user_subcategory",
    "user_category": "features/user_category",
    "items": "items",
    "users": "users",
    "candidates": "candidates/union",
}
EVENTS = pl.Schema(
    {
        "user_key": pl.String(),
        "item_id": pl.String(),
        "event_type": pl.String(),
        "event_ts": pl.Datetime("us", "UTC"),
        "rank": pl.Int32(),
    }
)
EARLIEST_MIDNIGHT = timedelta(hours=14)  # before that of UTC: where the shop is, a date may begin so early


def read(dataset: str, day: date) -> pl.DataFrame:
    """One lake partition as a frame.

    Raises:
        cartwheel.lake.MissingPartitionError: it is missing or incomplete.
    """
    return pl.DataFrame(lake.read(dataset, day))


def load(day: date, known_on: date | None = None) -> dict[str, pl.DataFrame]:
    """The tables the ranker takes, by the names of its arguments, sorted so that the same data gives the same model.

    Features leave out who did not consent on their own date; `known_on` also leaves out who does not on that later one.
    """
    tables = {name: read(dataset, day) for name, dataset in DATASETS.items()}
    if known_on is not None:
        tables = {name: with_consent(table, known_on) for name, table in tables.items()}
    keys = ("user_key", "item_id", "subcategory", "category")
    return {name: table.sort([key for key in keys if key in table.columns][:2]) for name, table in tables.items()}


def events_between(after: date, until: date) -> pl.DataFrame:
    """Events from the day after `after` to `until`: the columns of `EVENTS`.

    Days without a partition are days without events.
    """
    days = [day for day in lake.complete_dates("interactions") if after < day <= until]
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda day: pl.DataFrame(lake.read("interactions", day, columns=EVENTS.names())), days))
    return pl.concat([pl.DataFrame(schema=EVENTS), *parts]).drop_nulls("item_id")


def with_consent(table: pl.DataFrame, known_on: date) -> pl.DataFrame:
    """A table without the users whose data may not be used, as known at the end of a date; tables of items stay as they are."""
    if "user_key" not in table.columns:
        return table
    return table.join(read("no_consent", known_on), on="user_key", how="anti", maintain_order="left")


def window_events(cutoff: date, known_on: date, days: int | None = None) -> pl.DataFrame:
    """The events that label a cut-off: those of the `days` after it (`settings.label_window_days` unless given).

    Users who do not consent at the end of `known_on` are left out, and so are events that happened by the cut-off and were
    delivered after it: they tell nothing of what comes next.
    """
    events = events_between(cutoff, cutoff + timedelta(days=days or get_settings().label_window_days))
    begins = datetime.combine(cutoff + timedelta(days=1), time(), UTC) - EARLIEST_MIDNIGHT
    return with_consent(events.filter(pl.col("event_ts") >= begins), known_on)


def checksum(day: date) -> str:
    """One hash over the contents of the partitions that `load` reads."""
    bucket = get_settings().lake_bucket
    tags = [
        item["ETag"]
        for dataset in DATASETS.values()
        for item in lake.list_objects(bucket, lake.partition_prefix(dataset, day))
        if item["Key"].endswith(".parquet")
    ]
    return hashlib.sha256(" ".join(sorted(tags)).encode()).hexdigest()[:16]
