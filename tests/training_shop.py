"""A tiny made-up shop in the lake's shapes: enough to train both stages in a second or two."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from cartwheel.contracts import LAKE_SCHEMAS

USERS, ITEMS, VISITS = 12, 30, 10


def tables(cutoff: date, seed: int = 3) -> dict[str, pl.DataFrame]:
    """The tables `Ranker.score` takes. Every user prefers the items of one of three categories."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        for visit in range(VISITS):
            when = datetime.combine(cutoff, datetime.min.time(), UTC) - timedelta(days=7 * (VISITS - visit))
            for item in draw.choice(10, size=3, replace=False) + 10 * (user % 3):
                rows.append((f"u{user:02}", f"i{item:02}", when, f"s{user}-{visit}"))
    events = pl.DataFrame(rows, schema=["user_key", "item_id", "event_ts", "session_id"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{n:02}" for n in range(ITEMS)]}).with_columns(
        category=pl.Series([f"c{n // 10}" for n in range(ITEMS)]),
        subcategory=pl.Series([f"c{n // 5}" for n in range(ITEMS)]),
        brand=pl.Series([f"b{n % 4}" for n in range(ITEMS)]),
        available=pl.lit(True),
    )
    pairs = events.group_by("user_key", "item_id").agg(pl.len().alias("purchases"), pl.col("event_ts").max())
    pairs = pairs.with_columns(decayed_visits=pl.col("purchases") * 0.5, decayed_days=pl.col("purchases") * 0.4)
    bought = pairs.join(items, on="item_id")
    candidates = items.select("item_id").join(pairs.select("user_key").unique(), how="cross").sort("user_key", "item_id")
    candidates = candidates.with_columns(
        popular_rank=pl.int_range(1, pl.len() + 1).over("user_key").cast(pl.Int32), popular_score=pl.lit(0.1)
    )
    return {
        "sequences": events.sort("user_key", "event_ts", "item_id")
        .group_by("user_key", maintain_order=True)
        .agg(pl.col("item_id").alias("item_ids"), "event_ts", pl.col("session_id").alias("session_ids")),
        "user": _fill(pairs.group_by("user_key").agg(pl.col("purchases").sum()), "features/user"),
        "item": _fill(pairs.group_by("item_id").agg(pl.col("purchases").sum()), "features/item"),
        "user_item": _fill(pairs, "features/user_item"),
        **{
            f"user_{group}": _fill(bought.group_by("user_key", group).agg(pl.col("purchases").sum()), f"features/user_{group}")
            for group in ("subcategory", "category")
        },
        "items": items,
        "candidates": _fill(candidates, "candidates/union", None),
    }


def labels(cutoff: date) -> pl.DataFrame:
    """Purchases of the window after `cutoff`: other draws of the same habits."""
    again = tables(cutoff, seed=4)["user_item"]
    return again.select("user_key", "item_id", event_type=pl.lit("purchase"), rank=pl.lit(None, pl.Int32))


def _fill(frame: pl.DataFrame, dataset: str, value: float | None = 1.0) -> pl.DataFrame:
    """The frame with all columns of the dataset's schema, in its order, sorted."""
    schema = pl.DataFrame(LAKE_SCHEMAS[dataset].empty_table()).schema
    missing = [pl.lit(value).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(*list(schema)[:2])
