"""Popular lists for users without lists of their own, one per segment."""

import polars as pl

from serving_export.rerank.rules import Rules
from serving_export.segments import ALL, memberships

# A segment's shares count this many users of the whole shop besides its own, so that small ones are not noise.
PRIOR_USERS = 20.0


class Popularity:
    """How many users of each segment bought each item in the last 28 days, gathered some users at a time.

    What is held grows with segments and items, not with users.
    """

    def __init__(self) -> None:
        self.buyers = pl.DataFrame(schema={"segment": pl.String, "item_id": pl.String, "buyers": pl.UInt64})
        self.users = pl.DataFrame(schema={"segment": pl.String, "users": pl.UInt64})

    def add(self, user_item: pl.DataFrame, users: pl.DataFrame) -> None:
        """Some users with all of their rows: of the lake's features/user_item, and of its `users`."""
        bought = user_item.filter(pl.col("purchases_28") > 0).select("user_key", "item_id")
        shoppers = memberships(bought.select("user_key").unique().join(users, on="user_key", how="left"))
        pairs = bought.join(shoppers, on="user_key")
        self.users = _with_counts(self.users, shoppers, "users")
        self.buyers = _with_counts(self.buyers, pairs, "buyers")

    def lists(self, items: pl.DataFrame, size: int, rules: Rules) -> pl.DataFrame:
        """The items most users of each segment bought: segment, rank, item_id, score.

        The score is the share of the segment's users who bought the item, smoothed towards the whole shop's share. Only
        available items that no rule blocks; ties go by item_id.

        Args:
            items: the lake's `items`. size: items a list. rules: the shop's of the date.
        """
        available = items.filter(pl.col("available").fill_null(True)).select("item_id")
        counts = self.buyers.join(self.users, on="segment")
        overall = counts.filter(segment=ALL).select("item_id", share=pl.col("buyers") / pl.col("users"))
        smoothed = (pl.col("buyers") + PRIOR_USERS * pl.col("share")) / (pl.col("users") + PRIOR_USERS)
        return (
            counts.join(available, on="item_id")
            .join(rules.blocked_for(self.users["segment"]), on=["segment", "item_id"], how="anti")
            .join(overall, on="item_id")
            .select("segment", "item_id", score=smoothed.cast(pl.Float32))
            .sort("segment", "score", "item_id", descending=[False, True, False])
            .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("segment"))
            .filter(pl.col("rank") <= size)
            .select("segment", "rank", "item_id", "score")
        )


def _with_counts(counts: pl.DataFrame, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Counts (the keys, then `name`) with these rows counted in."""
    keys = [column for column in counts.columns if column != name]
    new = rows.group_by(keys).agg(pl.len().cast(pl.UInt64).alias(name))
    return pl.concat([counts, new]).group_by(keys).agg(pl.col(name).sum())
