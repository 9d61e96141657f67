"""The gate on the candidates: is there something to rank, for nearly everyone?

Reads `candidates/<source>`, `candidates/union` and `users` of the lake.
"""

from datetime import date

import great_expectations.expectations as gxe
import polars as pl

from cartwheel import lake
from cartwheel.contracts import CANDIDATE_SOURCES
from data_quality.checks import Check, always

MIN_USERS_COVERED = 0.95


def checks(day: date) -> list[Check]:
    """The suite for the candidates of `day`."""
    return [*(ranked_source(day, source) for source in CANDIDATE_SOURCES), union(day)]


def ranked_source(day: date, source: str) -> Check:
    """Each user's candidates from one source: ranked 1..n, no item twice, scores that are numbers."""
    dataset = f"candidates/{source}"
    rows = pl.DataFrame(lake.read(dataset, day, columns=["user_key", "item_id", "rank", "score"]))
    return Check(dataset, rank_problems(rows).to_pandas(), RANK_EXPECTATIONS)


RANK_EXPECTATIONS = [
    gxe.ExpectColumnPairValuesToBeEqual(column_A="last_rank", column_B="rows"),
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_ranks", column_B="rows"),
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_items", column_B="rows"),
    always("scores_not_finite", 0),
]


def rank_problems(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per user: how many rows, ranks and items, and how many scores are no numbers."""
    return rows.group_by("user_key").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("rank").max().cast(pl.Int64).alias("last_rank"),
        pl.col("rank").n_unique().cast(pl.Int64).alias("distinct_ranks"),
        pl.col("item_id").n_unique().cast(pl.Int64).alias("distinct_items"),
        (~pl.col("score").is_finite().fill_null(False)).sum().cast(pl.Int64).alias("scores_not_finite"),
    ).sort("user_key")  # fmt: skip


def union(day: date) -> Check:
    """The union: one row per user and item, for nearly every user who has bought something."""
    rows = pl.DataFrame(lake.read("candidates/union", day, columns=["user_key", "item_id"]))
    users = pl.DataFrame(lake.read("features/user", day, columns=["user_key"]))
    return Check("candidates/union", union_summary(rows, users).to_pandas(), UNION_EXPECTATIONS)


UNION_EXPECTATIONS = [
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_rows", column_B="rows"),
    always("rows_without_key", 0),
    gxe.ExpectColumnValuesToBeBetween(column="users_covered", min_value=MIN_USERS_COVERED),
]


def union_summary(rows: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row: counts of the union, and the share of the users it covers."""
    covered = users.join(rows.select("user_key").unique(), on="user_key", how="semi")
    return pl.DataFrame(
        {
            "rows": [len(rows)],
            "distinct_rows": [rows.unique().height],
            "rows_without_key": [rows.filter(pl.any_horizontal(pl.all().is_null())).height],
            "users_covered": [len(covered) / max(len(users), 1)],
        }
    )
