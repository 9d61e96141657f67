"""The gate on a release: may it be served?

Reads `release`, `features/user_item` and `features/user` of the lake; writes the release's daily profile.
"""

from datetime import date

import great_expectations.expectations as gxe
import polars as pl

from cartwheel import lake
from cartwheel.contracts import LISTS
from cartwheel.settings import get_settings
from data_quality import drift
from data_quality.checks import Check, Rule, always
from data_quality.profiles import ROWS, Profile, Profiles, profile_frame

BY_LIST, RELEASE, DRIFT = "release, by list", "release", "release, drift"
MIN_USERS_COVERED = 0.95
ADVICE = "clear build_lists of publish_recommendations; if it stays, serving_export/ is at fault. Nothing was loaded"
MEASURED = drift.pairs([f"{what} of {name}" for name in LISTS for what in ("score", "reason")])


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    return {
        BY_LIST: Rule(list_expectations(get_settings().list_size), ADVICE),
        RELEASE: Rule(COVERAGE_EXPECTATIONS, ADVICE),
        DRIFT: drift.rule("release", MEASURED),
    }


def checks(day: date) -> list[Check]:
    """The suite for the release of `day`."""
    known = rules()
    release = pl.DataFrame(lake.read("release", day))
    bought = pl.DataFrame(lake.read("features/user_item", day, columns=["user_key", "item_id"]))
    users = pl.DataFrame(lake.read("features/user", day, columns=["user_key"]))
    measured = drift.measure_and_save("release", day, list_profiles(release), MEASURED)
    return [
        Check(BY_LIST, list_summary(release, bought).to_pandas(), known[BY_LIST]),
        Check(RELEASE, coverage(release, users).to_pandas(), known[RELEASE]),
        drift.check(DRIFT, known[DRIFT], measured),
    ]


def list_profiles(release: pl.DataFrame) -> Profiles:
    """Scores and kinds of reasons, by list."""
    found = {ROWS: Profile(len(release))}
    for name in LISTS:
        rows = release.filter(pl.col("list") == name).select("score", kind_of_reason().alias("reason"))
        profiles = profile_frame(rows)
        found |= {f"{what} of {name}": profiles[what] for what in ("score", "reason")}
    return found


def kind_of_reason() -> pl.Expr:
    """A reason's first two words: they tell its kind, and what follows names an item or a department."""
    return pl.col("reason").str.extract(r"^(\S+(?:\s+[^\s:]+)?)")


def list_expectations(list_size: int) -> list[gxe.Expectation]:
    """What every list of every user must be."""
    return [
        gxe.ExpectColumnValuesToBeInSet(column="list", value_set=list(LISTS)),
        gxe.ExpectColumnValuesToBeBetween(column="items", min_value=1, max_value=list_size),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="last_rank", column_B="items"),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_ranks", column_B="items"),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="distinct_items", column_B="items"),
        always("scores_not_finite", 0),
        always("scores_rising", 0),
        always("items_out_of_place", 0),
        always("reasons_missing", 0),
    ]


def list_summary(release: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    """One row per user and list, with what is wrong in it counted.

    An item is out of place when `discover` names one that the user has bought, or `buy_again` one they have not. Scores that
    rise are counted in `buy_again` alone: the other lists are re-ranked.
    """
    marked = release.join(
        bought.unique().with_columns(pl.lit(True).alias("bought")), on=["user_key", "item_id"], how="left"
    ).with_columns(pl.col("bought").fill_null(False))
    out_of_place = ((pl.col("list") == "discover") & pl.col("bought")) | ((pl.col("list") == "buy_again") & ~pl.col("bought"))
    counts = {
        "items": pl.len(),
        "last_rank": pl.col("rank").max(),
        "distinct_ranks": pl.col("rank").n_unique(),
        "distinct_items": pl.col("item_id").n_unique(),
        "scores_not_finite": (~pl.col("score").is_finite().fill_null(False)).sum(),
        "scores_rising": ((pl.col("score").diff() > 0) & (pl.col("list") == "buy_again")).sum(),
        "items_out_of_place": out_of_place.sum(),
        "reasons_missing": (pl.col("reason").fill_null("") == "").sum(),
    }
    return (
        marked.sort("user_key", "list", "rank")
        .group_by("user_key", "list", maintain_order=True)
        .agg(expression.cast(pl.Int64).alias(name) for name, expression in counts.items())
    )


COVERAGE_EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(column="users_with_for_you", min_value=MIN_USERS_COVERED),
    always("rows_without_key", 0),
]


def coverage(release: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row: the share of users with purchases who have a `for_you` list, and rows that name no user or item."""
    served = release.filter(pl.col("list") == "for_you").select("user_key").unique()
    return pl.DataFrame(
        {
            "users_with_for_you": [users.join(served, on="user_key", how="semi").height / max(len(users), 1)],
            "rows_without_key": [release.filter(pl.any_horizontal(pl.col("user_key", "item_id", "list").is_null())).height],
        }
    )
