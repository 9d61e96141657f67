"""Popular lists for users without lists of their own, one per segment.

A segment is `<age_band>|<income_band>`; `*` stands for any, and `all` for everyone.
"""

from collections.abc import Collection

import polars as pl

ALL = "all"
ANY = "*"
# A segment's shares count this many users of the whole shop besides its own, so that small ones are not noise.
PRIOR_USERS = 20.0


def segment_chain(age_band: str | None, income_band: str | None) -> list[str]:
    """The segments a user belongs to, closest first."""
    chain = []
    if age_band and income_band:
        chain.append(f"{age_band}|{income_band}")
    if age_band:
        chain.append(f"{age_band}|{ANY}")
    if income_band:
        chain.append(f"{ANY}|{income_band}")
    return [*chain, ALL]


def member_segment(age_band: str | None, income_band: str | None, known: Collection[str]) -> str:
    """The closest segment that has a list."""
    return next((segment for segment in segment_chain(age_band, income_band) if segment in known), ALL)


def memberships(users: pl.DataFrame) -> pl.DataFrame:
    """All segments of users (user_key, age_band, income_band): user_key, segment."""
    age, income = pl.col("age_band"), pl.col("income_band")
    return pl.concat(
        [
            users.select("user_key", segment=pl.lit(ALL)),
            users.select("user_key", segment=age + "|" + income),
            users.select("user_key", segment=age + f"|{ANY}"),
            users.select("user_key", segment=f"{ANY}|" + income),
        ]
    ).drop_nulls()


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

    def lists(self, items: pl.DataFrame, size: int) -> pl.DataFrame:
        """The items most users of each segment bought: segment, rank, item_id, score.

        The score is the share of the segment's users who bought the item, smoothed towards the whole shop's share. Only
        available items; ties go by item_id.

        Args:
            items: the lake's `items`. size: items a list.
        """
        available = items.filter(pl.col("available").fill_null(True)).select("item_id")
        counts = self.buyers.join(self.users, on="segment")
        overall = counts.filter(segment=ALL).select("item_id", share=pl.col("buyers") / pl.col("users"))
        smoothed = (pl.col("buyers") + PRIOR_USERS * pl.col("share")) / (pl.col("users") + PRIOR_USERS)
        return (
            counts.join(available, on="item_id")
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
