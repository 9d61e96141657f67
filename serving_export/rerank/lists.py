"""The three lists of every user of a batch, from their scores."""

import numpy as np
import polars as pl

from cartwheel.contracts import LISTS
from serving_export.rerank.facts import Facts
from serving_export.rerank.greedy import NO_CAP, Grid, Weights, choose
from serving_export.rerank.rules import PINNED, Rules

USERS_PER_BLOCK = 512  # what is held as arrays at once
SCORED = ["user_key", "item_id", "score", "source", "bought"]
COLUMNS = ["user_key", "list", "rank", "item_id", "score", "source", "bought"]


def make_lists(
    scores: pl.DataFrame,
    items: pl.DataFrame,
    size: int,
    weights: Weights | None = None,
    facts: Facts | None = None,
    rules: Rules | None = None,
) -> pl.DataFrame:
    """The best items of every user: `for_you` of all, `buy_again` of those bought before, `discover` of the others.

    Only available items; ties go by item_id. Without weights and rules every list is in the ranker's order. The weights work
    on `for_you` and `discover`. The score shown stays the ranker's, and is 0 for a pinned item that it did not score.

    Args:
        scores: user_key, item_id, score, source, bought; one row per user and item.
        items: the lake's `items`: item_id, category, available are read.
        size: items in a list.
        facts: what the weights need to know of these users and items. rules: those of the date.

    Returns:
        user_key, list, rank (from 1), item_id, score, source, bought; sorted by user_key, list, rank.
    """
    weights, facts, rules = weights or Weights(), facts or Facts(), rules or Rules()
    shown = items.filter(pl.col("available").fill_null(True)).select("item_id", "category")
    scored = scores.select(SCORED).filter(pl.col("score").is_finite())
    best_first = (
        facts.about(rules.with_pinned(scored).join(shown, on="item_id"))
        .sort("user_key", "score", "item_id", descending=[False, True, False])
        .with_columns(block=pl.col("user_key").rle_id() // USERS_PER_BLOCK)
    )
    blocks = best_first.partition_by("block", maintain_order=True)
    lists = [_list(name, block, size, weights, facts, rules) for block in blocks for name in LISTS]
    nothing = best_first.head(0).with_columns(list=pl.lit(""), rank=pl.lit(0, pl.Int32)).select(COLUMNS)
    return pl.concat([nothing, *lists]).sort("user_key", "list", "rank")


def _list(name: str, best_first: pl.DataFrame, size: int, weights: Weights, facts: Facts, rules: Rules) -> pl.DataFrame:
    """One list of every user who has candidates for it."""
    of_list = {"for_you": pl.lit(True), "buy_again": pl.col("bought"), "discover": ~pl.col("bought")}[name]
    rows = facts.with_repeats(rules.apply(best_first.filter(of_list), name), name)
    scored = pl.when(pl.col("source") != PINNED).then(pl.col("score").cast(pl.Float64))
    low, high = scored.min().over("user_key"), scored.max().over("user_key")
    rows = rows.with_columns(
        relevance=pl.when(high > low).then((scored - low) / (high - low)).otherwise(1.0).fill_null(0.0),
        category_code=pl.col("category").rank("dense").cast(pl.Int32).fill_null(0) - 1,
        user=pl.col("user_key").rle_id(),
        column=pl.int_range(pl.len()).over("user_key"),
    )
    chosen = choose(_grid(rows, facts.vectors), size, Weights() if name == "buy_again" else weights)
    user, place = np.nonzero(chosen >= 0)
    first_rows = np.searchsorted(rows["user"].to_numpy(), np.arange(len(chosen)))
    best = rows[first_rows[user] + chosen[user, place]]
    return best.with_columns(list=pl.lit(name), rank=pl.Series(place + 1, dtype=pl.Int32)).select(COLUMNS)


def _grid(rows: pl.DataFrame, vectors: np.ndarray) -> Grid:
    """Rows (sorted by user and column) as arrays [users, candidates]."""
    user, column = rows["user"].to_numpy(), rows["column"].to_numpy()
    shape = (int(user.max()) + 1, int(column.max()) + 1) if len(rows) else (0, 0)

    def spread(name: str, pad: float = 0) -> np.ndarray:
        values = rows[name].to_numpy()
        array = np.full(shape, pad, values.dtype)
        array[user, column] = values
        return array

    there = np.zeros(shape, bool)
    there[user, column] = True
    return Grid(
        there=there,
        relevance=spread("relevance"),
        repeats=spread("repeats"),
        novelty=spread("novelty"),
        category=spread("category_code", -1),
        share=spread("share"),
        cap=spread("cap", NO_CAP),
        place=spread("place"),
        vector=spread("vector"),
        vectors=vectors,
    )
