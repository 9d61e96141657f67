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


def segment_lists(user_item: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, size: int) -> pl.DataFrame:
    """The items most users of each segment bought in the last 28 days: segment, rank, item_id, score.

    The score is the share of the segment's users who bought the item, smoothed towards the whole shop's share. Only
    available items; ties go by item_id.

    Args:
        user_item: the lake's features/user_item. users, items: the lake's datasets of those names. size: items a list.
    """
    available = items.filter(pl.col("available").fill_null(True)).select("item_id")
    bought = user_item.filter(pl.col("purchases_28") > 0).select("user_key", "item_id")
    shoppers = bought.select("user_key").unique().join(users, on="user_key", how="left")
    membership = memberships(shoppers)
    sizes = membership.group_by("segment").agg(users=pl.len())
    overall = bought.group_by("item_id").agg(share=pl.len() / max(len(shoppers), 1))
    smoothed = (pl.col("buyers") + PRIOR_USERS * pl.col("share")) / (pl.col("users") + PRIOR_USERS)
    return (
        bought.join(available, on="item_id")
        .join(membership, on="user_key")
        .group_by("segment", "item_id")
        .agg(buyers=pl.len())
        .join(sizes, on="segment")
        .join(overall, on="item_id")
        .select("segment", "item_id", score=smoothed.cast(pl.Float32))
        .sort("segment", "score", "item_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("segment"))
        .filter(pl.col("rank") <= size)
        .select("segment", "rank", "item_id", "score")
    )
