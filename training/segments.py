"""Groups of users that figures are shown and guarded by: how much they shop, and what the shop knows of them.

Reads what was known at the cut-off, never the window that figures are measured on, so that a group cannot be chosen by
its outcome.
"""

import polars as pl

NEW_VISITS = 5  # a user with fewer visits is new: too few for habits, the lists rest on what others buy
HEAVY_QUANTILE = 2 / 3  # of the others, who have more purchases than this share of them are heavy, the rest light
ATTRIBUTES = ("age_band", "region", "income_band", "household_size")  # of the lake's `users`


def user_segments(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The segments of every user of a cut-off: user_key, kind, segment; one row per user and kind.

    The kind `activity` has the segments new, light and heavy; every other kind is an attribute of `ATTRIBUTES`, whose
    segments are its values. Who has no value is in no segment of that kind.

    Args:
        tables: `data.load` of the cut-off; `user` (features/user) and `users` are read.
    """
    return pl.concat([activity(tables["user"]), attributes(tables["users"], tables["user"])]).sort("kind", "segment", "user_key")


def activity(user: pl.DataFrame) -> pl.DataFrame:
    """Every user of features/user as new, light or heavy: user_key, kind, segment."""
    is_new = pl.col("visits") < NEW_VISITS
    bar = pl.col("purchases").filter(~is_new).quantile(HEAVY_QUANTILE)
    segment = (
        pl.when(is_new)
        .then(pl.lit("new"))
        .when(pl.col("purchases") > bar)  # ties at the bar are light
        .then(pl.lit("heavy"))
        .otherwise(pl.lit("light"))
    )
    return user.select("user_key", kind=pl.lit("activity"), segment=segment)


def attributes(users: pl.DataFrame, user: pl.DataFrame) -> pl.DataFrame:
    """What the shop knows of the users of features/user: user_key, kind, segment."""
    known = users.join(user, on="user_key", how="semi").select("user_key", *ATTRIBUTES)
    return known.unpivot(index="user_key", variable_name="kind", value_name="segment").drop_nulls("segment")
