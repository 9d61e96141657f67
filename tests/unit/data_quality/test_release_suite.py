"""What the release gate catches, one broken list at a time."""

import polars as pl
import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from data_quality.checks import Check, Rule
from data_quality.release import (
    COVERAGE_EXPECTATIONS,
    alike,
    coverage,
    list_expectations,
    list_profiles,
    list_summary,
    rows_without_key,
    said_of,
    users_with_for_you,
)
from data_quality.validation import validate

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
    rule = Rule(list_expectations(list_size), "")
    (validated,) = validate([Check("release, by list", list_summary(frame(rows), BOUGHT).to_pandas(), rule)])
    return {result.expectation for result in validated.results if not result.success}


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
        ([*GOOD[:3], ("u", "buy_again", 2, "older", 0.95, "x")], "expect_column_values_to_be_in_set(scores_rising)"),
        ([*GOOD, ("u", "discover", 2, "other", float("nan"), "x")], "expect_column_values_to_be_in_set(scores_not_finite)"),
        ([*GOOD, ("u", "discover", 2, "other", None, "x")], "expect_column_values_to_be_in_set(scores_not_finite)"),
        ([*GOOD, ("u", "discover", 2, "other", 0.4, "")], "expect_column_values_to_be_in_set(reasons_missing)"),
        ([*GOOD, ("u", "for_you", 3, "other", 0.4, "x")], "expect_column_values_to_be_between(items)"),
        ([*GOOD, ("u", "bestsellers", 1, "other", 0.4, "x")], "expect_column_values_to_be_in_set(list)"),
    ],
)
def test_a_broken_list_is_named(rows, expected):
    assert expected in failed(rows)


def test_a_re_ranked_list_need_not_be_in_order_of_score():
    assert failed([*GOOD, ("u", "discover", 2, "other", 0.6, "x")]) == set()


def test_lists_that_are_alike_are_counted_together_with_those_of_other_batches():
    others = [("v", *row[1:]) for row in GOOD] + [("w", "discover", 1, "new", None, "popular")]
    summed = alike(pl.concat([list_summary(frame(rows), BOUGHT) for rows in (GOOD, others)]))
    assert summed.select("list", "lists", "items", "scores_not_finite", "items_out_of_place").sort("list", "lists").rows() == [
        ("buy_again", 1, 2, 0, 0),
        ("buy_again", 1, 2, 0, 2),  # v has bought nothing
        ("discover", 1, 1, 1, 0),
        ("discover", 2, 1, 0, 0),
        ("for_you", 2, 2, 0, 0),
    ]
    assert said_of(summed)["items_out_of_place"] == "in 1 of 7 lists"


@pytest.mark.parametrize(("known", "success"), [(["u"], True), (["u", "v"], False), ([], False)])
def test_nearly_every_known_user_is_served(known, success):
    users = pl.DataFrame({"user_key": known}, schema={"user_key": pl.String})
    covered = coverage(users_with_for_you(frame(GOOD), users), len(users), rows_without_key(frame(GOOD)))
    (validated,) = validate([Check("release", covered.to_pandas(), Rule(COVERAGE_EXPECTATIONS, ""))])
    results = {result.expectation: result.success for result in validated.results}
    assert results["expect_column_values_to_be_between(users_with_for_you)"] is success
    assert results["expect_column_values_to_be_in_set(rows_without_key)"] is True


def test_rows_without_a_user_an_item_or_a_list_are_counted():
    assert rows_without_key(frame([*GOOD, (None, "discover", 1, "a", 0.1, "x"), ("u", None, 1, None, 0.1, "x")])) == 2


def test_reasons_are_profiled_by_kind_not_by_the_item_they_name():
    reasons = ["Buy again: 3 times", "Buy again: 9 times", "Because you bought Milk", "Popular this month in Produce"]
    rows = [("u", "for_you", rank, f"i{rank}", 0.5, reason) for rank, reason in enumerate(reasons, start=1)]
    profiles = list_profiles(frame(rows))
    assert profiles["reason of for_you"].counts == {"Buy again": 2, "Because you": 1, "Popular this": 1}
    assert (profiles["rows"].rows, profiles["score of for_you"].rows, profiles["score of discover"].rows) == (4, 4, 0)
