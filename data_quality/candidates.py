"""The gate on the candidates: is there something to rank, for nearly everyone?

Reads `candidates/<source>`, `candidates/union` and `features/user` of the lake; writes the union's daily profile.
"""

from datetime import date

import great_expectations.expectations as gxe
import polars as pl

from cartwheel import lake
from cartwheel.contracts import CANDIDATE_SOURCES
from data_quality import drift
from data_quality.checks import Check, Rule, always
from data_quality.profiles import ROWS, Profile, Profiles

UNION = "candidates/union"
DRIFT = f"{UNION}, drift"
MEASURED = drift.pairs(["source"])
MIN_USERS_COVERED = 0.95
ADVICE = "run build_features for the date again; if it stays, the job of the source in spark_jobs/ is at fault"
RANK_EXPECTATIONS = [
    gxe.ExpectColumnPairValuesToBeEqual(column_A="last_rank", column_B="rows"),
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_ranks", column_B="rows"),
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_items", column_B="rows"),
    always("scores_not_finite", 0),
]
UNION_EXPECTATIONS = [
    gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_rows", column_B="rows"),
    always("rows_without_key", 0),
    gxe.ExpectColumnValuesToBeBetween(column="users_covered", min_value=MIN_USERS_COVERED),
]


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    return {
        **{f"candidates/{source}": Rule(RANK_EXPECTATIONS, ADVICE) for source in CANDIDATE_SOURCES},
        UNION: Rule(UNION_EXPECTATIONS, ADVICE),
        DRIFT: drift.rule(UNION, MEASURED),
    }


def checks(day: date) -> list[Check]:
    """The suite for the candidates of `day`."""
    known = rules()
    frames = {f"candidates/{source}": ranked_source(day, source) for source in CANDIDATE_SOURCES}
    union = pl.DataFrame(lake.read(UNION, day, columns=["user_key", "item_id", *map(rank_of, CANDIDATE_SOURCES)]))
    users = pl.DataFrame(lake.read("features/user", day, columns=["user_key"]))
    frames[UNION] = union_summary(union.select("user_key", "item_id"), users)
    measured = drift.measure_and_save(UNION, day, source_profiles(union), MEASURED)
    return [
        *(Check(name, frame.to_pandas(), known[name]) for name, frame in frames.items()),
        drift.check(DRIFT, known[DRIFT], measured),
    ]


def rank_of(source: str) -> str:
    return f"{source}_rank"


def source_profiles(union: pl.DataFrame) -> Profiles:
    """How many candidates each source named, among all that were named."""
    named = {source: len(union) - union[rank_of(source)].null_count() for source in CANDIDATE_SOURCES}
    return {ROWS: Profile(len(union)), "source": Profile(sum(named.values()), counts=named)}


def ranked_source(day: date, source: str) -> pl.DataFrame:
    """Each user's candidates from one source, summed up for what ranks must be: 1..n, no item twice, scores numbers."""
    rows = lake.read(f"candidates/{source}", day, columns=["user_key", "item_id", "rank", "score"])
    return rank_problems(pl.DataFrame(rows))


def rank_problems(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per user: how many rows, ranks and items, and how many scores are no numbers."""
    return rows.group_by("user_key").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("rank").max().cast(pl.Int64).alias("last_rank"),
        pl.col("rank").n_unique().cast(pl.Int64).alias("distinct_ranks"),
        pl.col("item_id").n_unique().cast(pl.Int64).alias("distinct_items"),
        (~pl.col("score").is_finite().fill_null(False)).sum().cast(pl.Int64).alias("scores_not_finite"),
    ).sort("user_key")  # fmt: skip


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
