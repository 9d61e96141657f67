"""PSI and the robust z-score, against values worked out by hand, and what must hold for any input."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.measures import psi, psi_terms, robust_z

HISTOGRAMS = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 10**9), min_size=bins, max_size=bins)] * 2)
)


def test_psi_by_hand():
    # Half a row more in each of two bins: shares 8/10 and 2/10, then 3/10 and 7/10 of 10 rows.
    assert psi_terms([7, 1], [2, 6]) == pytest.approx(
        [(2.5 / 9 - 7.5 / 9) * math.log(2.5 / 7.5), (6.5 / 9 - 1.5 / 9) * math.log(6.5 / 1.5)]
    )
    assert psi([7, 1], [2, 6]) == pytest.approx(0.610340 + 0.814631, abs=1e-6)


def test_psi_of_an_emptied_bin_by_hand():
    # 99.5/101 and 1.5/101 of 101 become 0.5/101 and 100.5/101: (99/101) * (ln 199 + ln 67)
    assert psi([99, 1], [0, 100]) == pytest.approx(99 / 101 * (math.log(199) + math.log(67)), abs=1e-12)


@pytest.mark.parametrize(("expected", "actual"), [([1, 2], [1]), ([], [])])
def test_histograms_that_cannot_be_compared(expected, actual):
    with pytest.raises(ValueError, match="cannot be compared"):
        psi(expected, actual)


@given(HISTOGRAMS)
def test_psi_is_never_negative_finite_and_the_same_both_ways(pair):
    expected, actual = pair
    assert 0 <= psi(expected, actual) < math.inf
    assert psi(expected, actual) == pytest.approx(psi(actual, expected), abs=1e-12)
    assert psi(expected, expected) == 0
    assert all(term >= 0 for term in psi_terms(expected, actual))


@given(HISTOGRAMS, st.randoms())
def test_psi_does_not_depend_on_the_order_of_the_bins(pair, random):
    order = list(range(len(pair[0])))
    random.shuffle(order)
    shuffled = psi([pair[0][place] for place in order], [pair[1][place] for place in order])
    assert shuffled == pytest.approx(psi(*pair), abs=1e-9)


def test_robust_z_by_hand():
    # median 3, absolute deviations 2 1 0 1 97, their median 1
    assert robust_z(3 + 1.4826 * 4, [1, 2, 3, 4, 100], 0.1) == pytest.approx(4)
    assert robust_z(3 - 1.4826, [1, 2, 3, 4, 100], 0.1) == pytest.approx(-1)


def test_robust_z_of_a_history_that_does_not_vary_uses_the_least_spread():
    assert robust_z(12, [10, 10, 10], 0.5) == pytest.approx(4)


NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, st.lists(NUMBERS, min_size=1, max_size=30), st.floats(-1e3, 1e3))
def test_robust_z_does_not_depend_on_where_zero_is(value, history, shift):
    moved = robust_z(value + shift, [past + shift for past in history], 1.0)
    assert moved == pytest.approx(robust_z(value, history, 1.0), abs=1e-3, rel=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=9, max_size=9), st.floats(1e3, 1e6))
def test_a_few_wild_days_hardly_move_robust_z(history, wild):
    spoiled = history[:6] + [wild] * 3
    assert robust_z(50.0, spoiled, 1.0) > 1
