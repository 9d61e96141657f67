"""What the release gate catches, one broken list at a time."""

import polars as pl
import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from data_quality.checks import Check
from data_quality.gate import validate
from data_quality.release import COVERAGE_EXPECTATIONS, coverage, list_expectations, list_summary

BOUGHT = pl.DataFrame({"user_key": ["u", "u"], "item_id": ["old", "older"]})
GOOD = [
    ("u", "for_you", 1, "old", 0.9, "buy again"),
    ("u", "for_you", 2, "new", 0.9, "popular"),
    ("u", "buy_again", 1, "old", 0.9, "buy again"),
    ("u", "buy_again", 2, "older", 0.1, "buy again"),
    ("u", "discover", 1, "new", 0.5, "popular"),
]


def frame(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LAKE_SCHEMAS["release"].names, orient="row")


def failed(rows: list[tuple], list_size: int = 2) -> set[str]:
    check = Check("release, by list", list_summary(frame(rows), BOUGHT).to_pandas(), list_expectations(list_size))
    return {result.expectation for result in validate([check]) if not result.success}


def test_a_good_release_passes():
    assert failed(GOOD) == set()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([*GOOD, ("u", "discover", 2, "old", 0.4, "x")], "expect_column_values_to_be_in_set(items_out_of_place)"),
        ([*GOOD, ("v", "buy_again", 1, "old", 0.4, "x")], "expect_column_values_to_be_in_set(items_out_of_place)"),
        ([*GOOD, ("u", "discover", 3, "other", 0.4, "x")], "expect_column_pair_values_to_be_equal(last_rank, items)"),
        ([*GOOD, ("u", "discover", 1, "other", 0.4, "x")], "expect_column_pair_values_to_be_equal(distinct_ranks, items)"),
        ([*GOOD, ("u", "discover", 2, "new", 0.4, "x")], "expect_column_pair_values_to_be_equal(distinct_items, items)"),
        ([*GOOD, ("u", "discover", 2, "other", 0.6, "x")], "expect_column_values_to_be_in_set(scores_rising)"),
        ([*GOOD, ("u", "discover", 2, "other", float("nan"), "x")], "expect_column_values_to_be_in_set(scores_not_finite)"),
        ([*GOOD, ("u", "discover", 2, "other", None, "x")], "expect_column_values_to_be_in_set(scores_not_finite)"),
        ([*GOOD, ("u", "discover", 2, "other", 0.4, "")], "expect_column_values_to_be_in_set(reasons_missing)"),
        ([*GOOD, ("u", "for_you", 3, "other", 0.4, "x")], "expect_column_values_to_be_between(items)"),
        ([*GOOD, ("u", "bestsellers", 1, "other", 0.4, "x")], "expect_column_values_to_be_in_set(list)"),
    ],
)
def test_a_broken_list_is_named(rows, expected):
    assert expected in failed(rows)


@pytest.mark.parametrize(("known", "success"), [(["u"], True), (["u", "v"], False), ([], False)])
def test_nearly_every_known_user_is_served(known, success):
    users = pl.DataFrame({"user_key": known}, schema={"user_key": pl.String})
    results = validate([Check("release", coverage(frame(GOOD), users).to_pandas(), COVERAGE_EXPECTATIONS)])
    covered = {result.expectation: result.success for result in results}
    assert covered["expect_column_values_to_be_between(users_with_for_you)"] is success
    assert covered["expect_column_values_to_be_in_set(rows_without_key)"] is True
