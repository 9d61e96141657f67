"""What earlier releases showed a user again and again without being bought."""

from datetime import date, timedelta

import polars as pl

from cartwheel import lake

SEEN = 10  # the places of a list that count as shown
LISTS = ("for_you", "discover")


def read_shown(day: date, days: int) -> pl.DataFrame:
    """What the releases of the `days` dates before `day` that are in the lake showed first: user_key, list, item_id, ago (days).

    Never of that date or a later one.
    """
    nothing = pl.DataFrame(schema={"user_key": pl.String, "list": pl.String, "item_id": pl.String, "ago": pl.Int32})
    columns = ["user_key", "list", "item_id", "rank"]
    dates = [earlier for earlier in lake.complete_dates("release") if day - timedelta(days=days) <= earlier < day]
    tables = ((earlier, pl.DataFrame(table)) for earlier in dates for table in lake.batches("release", earlier, columns))
    return pl.concat([nothing, *(shown_first(table, (day - earlier).days) for earlier, table in tables)])


def shown_first(release: pl.DataFrame, ago: int) -> pl.DataFrame:
    """The first places of a release (user_key, list, item_id, rank) of so many days ago: user_key, list, item_id, ago."""
    first = release.filter(pl.col("rank") <= SEEN, pl.col("list").is_in(LISTS))
    return first.select("user_key", "list", "item_id", ago=pl.lit(ago, pl.Int32))


def repeats(shown: pl.DataFrame, days: int, user_item: pl.DataFrame) -> pl.DataFrame:
    """The share of the last `days` days on which an item was shown in vain: user_key, list, item_id, repeats.

    A release is in vain for an item among its first `SEEN` places that the user has not bought since the release's date.

    Args:
        shown: what `read_shown` gives for that many days.
        user_item: the date's features/user_item of the same users: user_key, item_id, recency_days.
    """
    bought = user_item.select("user_key", "item_id", bought_ago=pl.col("recency_days").floor())
    return (
        shown.join(bought, on=["user_key", "item_id"], how="left")
        .filter(pl.col("bought_ago").is_null() | (pl.col("bought_ago") >= pl.col("ago")))
        .group_by("user_key", "list", "item_id")
        .agg(repeats=pl.len().cast(pl.Float64) / days)
        .sort("user_key", "list", "item_id")
    )
