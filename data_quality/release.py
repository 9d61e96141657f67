"""The gate on a release: may it be served?

Reads `release`, `features/user_item` and `features/user` of the lake, some users at a time; writes the release's daily profile.
"""

from datetime import date

import great_expectations.expectations as gxe
import polars as pl

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, LISTS
from cartwheel.settings import get_settings
from cartwheel.user_batches import user_batches
from data_quality import drift
from data_quality.checks import Check, Rule, always
from data_quality.profiles import ROWS, Profile, Profiles, profile_frame

BY_LIST, RELEASE, DRIFT = "release, by list", "release", "release, drift"
MIN_USERS_COVERED = 0.95
ADVICE = "clear build_lists of publish_recommendations; if it stays, serving_export/ is at fault. Nothing was loaded"
USERS_PER_BATCH = 5000
DATASETS = {"release": "release", "bought": "features/user_item", "user": "features/user"}
COLUMNS = {"bought": ["user_key", "item_id"], "user": ["user_key"]}
KEY = ["user_key", "item_id", "list"]
WRONG = ["scores_not_finite", "scores_rising", "items_out_of_place", "reasons_missing"]  # counted in every list
MEASURED = drift.pairs([f"{what} of {name}" for name in LISTS for what in ("score", "reason")])


NO_LISTS = pl.DataFrame(LAKE_SCHEMAS["release"].empty_table())


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    return {
        BY_LIST: Rule(list_expectations(get_settings().list_size), ADVICE),
        RELEASE: Rule(COVERAGE_EXPECTATIONS, ADVICE),
        DRIFT: drift.rule("release", MEASURED),
    }


def checks(day: date) -> list[Check]:
    """The suite for the release of `day`."""
    known, summed, profiles, served = rules(), list_summary(NO_LISTS, NO_LISTS), list_profiles(NO_LISTS), 0
    for _, own in user_batches(DATASETS, day, "release", USERS_PER_BATCH, COLUMNS):
        summed = alike(pl.concat([summed, list_summary(own["release"], own["bought"])]))
        profiles = {name: profiles[name] + found for name, found in list_profiles(own["release"]).items()}
        served += users_with_for_you(own["release"], own["user"])
    users = sum(len(some) for some in lake.batches("features/user", day, ["user_key"]))
    unnamed = sum(rows_without_key(pl.DataFrame(some)) for some in lake.batches("release", day, KEY))
    measured = drift.measure_and_save("release", day, profiles, MEASURED)
    return [
        Check(BY_LIST, summed.to_pandas(), known[BY_LIST], said_of(summed)),
        Check(RELEASE, coverage(served, users, unnamed).to_pandas(), known[RELEASE]),
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
        *(always(problem, 0) for problem in WRONG),
    ]


def list_summary(release: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    """What is wrong in each list, counted; lists that are alike are one row, and `lists` says how many.

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
    return alike(
        marked.sort("user_key", "list", "rank")
        .group_by("user_key", "list", maintain_order=True)
        .agg(pl.lit(1, pl.Int64).alias("lists"), *(expression.cast(pl.Int64).alias(name) for name, expression in counts.items()))
        .drop("user_key")
    )


def alike(summed: pl.DataFrame) -> pl.DataFrame:
    """Rows of `list_summary` with those that are equal made one."""
    same = pl.exclude("lists")
    return summed.group_by(same, maintain_order=True).agg(pl.col("lists").sum())


def said_of(summed: pl.DataFrame) -> dict[str, str]:
    """By problem, in how many lists it is."""
    wrong = {problem: summed.filter(pl.col(problem) > 0)["lists"].sum() for problem in WRONG}
    return {problem: f"in {lists:,} of {summed['lists'].sum():,} lists" for problem, lists in wrong.items()}


COVERAGE_EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(column="users_with_for_you", min_value=MIN_USERS_COVERED),
    always("rows_without_key", 0),
]


def coverage(served: int, users: int, unnamed: int) -> pl.DataFrame:
    """One row: the share of users with purchases who have a `for_you` list, and rows that name no user or item."""
    return pl.DataFrame({"users_with_for_you": [served / max(users, 1)], "rows_without_key": [unnamed]})


def users_with_for_you(release: pl.DataFrame, users: pl.DataFrame) -> int:
    served = release.filter(pl.col("list") == "for_you").select("user_key").unique()
    return users.join(served, on="user_key", how="semi").height


def rows_without_key(release: pl.DataFrame) -> int:
    return release.filter(pl.any_horizontal(pl.col(KEY).is_null())).height
