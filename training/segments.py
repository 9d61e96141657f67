"""Groups of users that figures are shown by: how much they shop.

Reads what was known at the cut-off, never the window that figures are measured on.
"""

import polars as pl

NEW_VISITS = 5  # a user with fewer visits is new
HEAVY_QUANTILE = 2 / 3  # of the others, who have more purchases than this share of them are heavy, the rest light


def activity(user: pl.DataFrame) -> pl.DataFrame:
    """Every user of features/user as new, light or heavy: user_key, kind, segment."""
    is_new = pl.col("visits") < NEW_VISITS
    bar = pl.col("purchases").filter(~is_new).quantile(HEAVY_QUANTILE)
    known = pl.when(pl.col("purchases") > bar).then(pl.lit("heavy")).otherwise(pl.lit("light"))
    return user.select("user_key", kind=pl.lit("activity"), segment=pl.when(is_new).then(pl.lit("new")).otherwise(known))
