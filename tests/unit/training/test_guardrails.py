"""The guardrails on a shop of 200 users, by hand.

The catalogue has ten items of two departments. North's users bought i0 (food), south's i1 (toys), at each one item.
"""

import numpy as np
import polars as pl
import pytest

from training import guardrails, metrics
from training.guardrails import View

USERS = [f"u{n:03}" for n in range(200)]
REGION = {user: "north" if n < 100 else "south" for n, user in enumerate(USERS)}
ITEMS = pl.DataFrame({"item_id": [f"i{n}" for n in range(10)], "department": ["food", "toys"] * 5})
SEGMENTS = pl.DataFrame({"user_key": USERS, "kind": "region", "segment": [REGION[user] for user in USERS]})
TRUTH = metrics.truth(
    pl.DataFrame({"user_key": USERS, "item_id": ["i0" if REGION[user] == "north" else "i1" for user in USERS]}),
    pl.DataFrame({"item_id": ITEMS["item_id"], "purchases": 9.0}),
)


def lists(north: list[str], south: list[str]) -> pl.DataFrame:
    """The same list for all users of a region."""
    rows = [(user, item, rank) for user in USERS for rank, item in enumerate(north if REGION[user] == "north" else south, 1)]
    return pl.DataFrame(rows, schema=["user_key", "item_id", "rank"], orient="row")


def view(challenger: pl.DataFrame, reference: pl.DataFrame, name: str = "champion") -> View:
    return View("all", challenger, reference, name, TRUTH)


def test_a_segment_that_is_harmed_breaks_its_guardrail_and_no_other():
    # North finds its item first (1.0) instead of third (0.5), south third instead of second (1 / log2 3 = 0.6309)
    challenger, reference = lists(["i0", "i8"], ["i8", "i9", "i1"]), lists(["i8", "i9", "i0"], ["i8", "i1"])
    found = {rail.segment: rail for rail in guardrails.segments([view(challenger, reference)], SEGMENTS, ITEMS)}
    assert found.keys() == {"all", "north", "south", "food", "toys"}
    assert (found["north"].challenger, found["north"].other) == pytest.approx((1.0, 0.5))
    assert (found["south"].challenger, found["south"].other) == pytest.approx((0.5, 0.6309), abs=1e-4)
    assert found["all"].difference.value == pytest.approx((0.5 - 0.1309) / 2, abs=1e-4)
    assert {name for name, rail in found.items() if rail.broken} == {"south", "toys"}
    assert str(found["south"]) == (
        "region south (100 users), all items: 0.5000 against champion 0.6309, difference [-0.1309, -0.1309]"
    )


def test_a_rule_that_fills_its_list_from_other_departments_is_no_measure_of_one():
    challenger, rule = lists(["i0", "i8"], ["i8", "i9", "i1"]), lists(["i8", "i9", "i0"], ["i8", "i1"])
    found = guardrails.segments([view(challenger, rule, "buy_again_visits")], SEGMENTS, ITEMS)
    assert {rail.segment for rail in found} == {"all", "north", "south"}


def test_a_fall_within_the_margin_is_let_through():
    margin = guardrails.MARGIN * 0.5
    for fall, broken in ((margin * 0.9, False), (margin * 1.1, True)):
        estimate = metrics.Estimate(-fall, -fall, -fall)
        assert guardrails.Segment("all", "region", "south", 100, "champion", 0.5 - fall, 0.5, estimate).broken == broken


def test_a_fall_that_is_not_proven_is_let_through():
    unproven = metrics.Estimate(-0.1, -0.3, 0.1)
    assert not guardrails.Segment("all", "region", "south", 100, "champion", 0.4, 0.5, unproven).broken


def test_small_segments_are_not_looked_at():
    few = SEGMENTS.filter(pl.col("user_key") != "u000")  # 99 in the north
    same = lists(["i0"], ["i1"])
    found = guardrails.segments([view(same, same)], few, ITEMS.with_columns(department=pl.lit(None, pl.String)))
    assert [rail.segment for rail in found] == ["all", "south"]


def test_a_small_shop_has_no_segments():
    few = metrics.Truth(TRUTH.pairs.head(99), TRUTH.catalogue)
    same = lists(["i0"], ["i1"])
    found = guardrails.check([View("all", same, same, "champion", few)], SEGMENTS, ITEMS)
    assert [type(rail) for rail in found] == [guardrails.Coverage]


def test_coverage_is_measured_by_the_champion_more_strictly_than_by_a_rule():
    # three of ten items instead of five: 60 %
    challenger, reference = lists(["i0", "i2"], ["i0", "i1"]), lists(["i0", "i2", "i4"], ["i0", "i1", "i3"])
    against_champion = guardrails.coverage(view(challenger, reference))
    assert (against_champion.challenger, against_champion.other) == pytest.approx((0.3, 0.5))
    assert against_champion.broken
    assert str(against_champion) == "coverage, all items: 0.3000 against champion 0.5000, at least 0.8 of it is asked for"
    assert not guardrails.coverage(view(challenger, reference, "buy_again_visits")).broken


def test_one_column_has_the_interval_of_a_mean():
    # half zeros, half ones: the standard error is 0.5 / sqrt(400), and 1.96 of them 0.049
    [estimate] = guardrails.simultaneous(np.repeat([[0.0], [1.0]], 200, axis=0))
    assert estimate.value == 0.5
    assert estimate.high - 0.5 == pytest.approx(0.049, abs=0.003) and 0.5 - estimate.low == pytest.approx(0.049, abs=0.003)


def test_many_columns_have_wider_intervals():
    # of 20 independent columns, all lie within 3.02 standard errors with 95 % (Šidák: 0.95 ** (1 / 20))
    values = np.random.default_rng(1).integers(0, 2, (400, 20)).astype(float)
    widths = [estimate.high - estimate.value for estimate in guardrails.simultaneous(values)]
    assert np.mean(widths) == pytest.approx(3.02 * 0.025, abs=0.005)


def test_users_outside_a_column_do_not_count():
    values = np.full((300, 2), np.nan)
    values[:100, 0], values[100:, 1] = 0.25, -0.5
    assert guardrails.simultaneous(values) == [metrics.Estimate(*[mean] * 3) for mean in (0.25, -0.5)]
