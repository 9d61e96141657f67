"""From scores to the three lists of every user."""

import polars as pl


def make_lists(scores: pl.DataFrame, items: pl.DataFrame, size: int, diversity_weight: float = 0.0) -> pl.DataFrame:
    """The best items of every user: `for_you` of all, `buy_again` of those bought before, `discover` of the others.

    Only available items; ties go by item_id. The diversity weight works on `for_you` and `discover`: it costs an
    item up to that share of its score, the more the better items of its category stand above it. The score shown
    stays the ranker's.

    Args:
        scores: user_key, item_id, score, source, bought; one row per user and item.
        items: the lake's `items`: item_id, category, available are read.
        size: items in a list.
        diversity_weight: from 0 (none) to 1.

    Returns:
        user_key, list, rank (from 1), item_id, score, source, bought; sorted by user_key, list, rank.
    """
    shown = items.filter(pl.col("available").fill_null(True)).select("item_id", "category")
    best_first = (
        scores.join(shown, on="item_id")
        .filter(pl.col("score").is_finite())
        .sort("user_key", "score", "item_id", descending=[False, True, False])
    )
    lists = [
        _top(_diversify(best_first, diversity_weight), "for_you", size),
        _top(best_first.filter("bought"), "buy_again", size),
        _top(_diversify(best_first.filter(~pl.col("bought")), diversity_weight), "discover", size),
    ]
    return pl.concat(lists).sort("user_key", "list", "rank")


def _diversify(best_first: pl.DataFrame, weight: float) -> pl.DataFrame:
    """Order anew by the score (scaled to 0–1 per user) less the penalty; items without a category pay none."""
    if weight == 0:
        return best_first
    low, high = pl.col("score").min().over("user_key"), pl.col("score").max().over("user_key")
    scaled = pl.when(high > low).then((pl.col("score") - low) / (high - low)).otherwise(1.0)
    above = pl.when(pl.col("category").is_null()).then(0).otherwise(pl.int_range(pl.len()).over("user_key", "category"))
    return (
        best_first.with_columns(adjusted=scaled * (1 - weight * above / (above + 1)))
        .sort("user_key", "adjusted", "score", "item_id", descending=[False, True, True, False])
        .drop("adjusted")
    )


def _top(best_first: pl.DataFrame, name: str, size: int) -> pl.DataFrame:
    return (
        best_first.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user_key").alias("rank"))
        .filter(pl.col("rank") <= size)
        .select("user_key", pl.lit(name).alias("list"), "rank", "item_id", "score", "source", "bought")
    )
