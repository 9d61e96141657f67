"""A tiny made-up shop in the lake's shapes: enough to train both stages in a second or two."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch

from cartwheel.contracts import LAKE_SCHEMAS
from training.data import EVENTS
from training.train import fit

USERS, ITEMS, VISITS = 12, 30, 10
EPOCHS = 6  # of each stage, where a test kills the training


def tables(cutoff: date, seed: int = 3, users: int = USERS, items: int = ITEMS, visits: int = VISITS) -> dict[str, pl.DataFrame]:
    """The tables `Ranker.score` takes. Every user prefers the items of one category of ten."""
    draw = np.random.default_rng(seed)
    rows, kinds = [], min(10, items)
    for user in range(users):
        for visit in range(visits):
            when = datetime.combine(cutoff, datetime.min.time(), UTC) - timedelta(days=7 * (visits - visit))
            for item in draw.choice(kinds, size=min(3, kinds), replace=False) + 10 * (user % max(1, items // 10)):
                rows.append((f"u{user:02}", f"i{item:02}", when, f"s{user}-{visit}"))
    events = pl.DataFrame(rows, schema=["user_key", "item_id", "event_ts", "session_id"], orient="row")
    catalogue = pl.DataFrame({"item_id": [f"i{n:02}" for n in range(items)]}).with_columns(
        category=pl.Series([f"c{n // 10}" for n in range(items)]),
        subcategory=pl.Series([f"c{n // 5}" for n in range(items)]),
        brand=pl.Series([f"b{n % 4}" for n in range(items)]),
        available=pl.lit(True),
    )
    pairs = events.group_by("user_key", "item_id").agg(pl.len().alias("purchases"), pl.col("event_ts").max())
    pairs = pairs.with_columns(decayed_visits=pl.col("purchases") * 0.5, decayed_days=pl.col("purchases") * 0.4)
    bought = pairs.join(catalogue, on="item_id")
    candidates = catalogue.select("item_id").join(pairs.select("user_key").unique(), how="cross").sort("user_key", "item_id")
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
        "items": _fill(catalogue, "items", None),
        "users": _fill(pairs.select("user_key").unique(), "users", None),
        "candidates": _fill(candidates, "candidates/union", None),
    }


def labels(cutoff: date, **sizes: int) -> pl.DataFrame:
    """Purchases of the window after `cutoff`: other draws of the same habits."""
    again = tables(cutoff, seed=4, **sizes)["user_item"]
    when = datetime.combine(cutoff, datetime.min.time(), UTC) + timedelta(days=7)
    return again.select(
        "user_key",
        "item_id",
        event_type=pl.lit("purchase"),
        event_ts=pl.lit(when).cast(EVENTS["event_ts"]),
        rank=pl.lit(None, pl.Int32),
    )


def train_and_save(checkpoints: Path, model: Path) -> None:
    """Train both stages with checkpoints, for a few epochs each, and write the model: in a process that tests may kill."""
    torch.set_num_threads(1)
    cutoff = date(1999, 6, 1)
    data, events = {cutoff: tables(cutoff)}, {cutoff: labels(cutoff)}
    fit(data, events, seed=5, checkpoints=checkpoints, encoder_epochs=EPOCHS, scorer_epochs=EPOCHS)[0].save(model)


def _fill(frame: pl.DataFrame, dataset: str, value: float | None = 1.0) -> pl.DataFrame:
    """The frame with all columns of the dataset's schema, in its order, sorted."""
    schema = pl.DataFrame(LAKE_SCHEMAS[dataset].empty_table()).schema
    missing = [pl.lit(value).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(*list(schema)[:2])
