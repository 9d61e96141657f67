"""Which layers a new one takes in."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.refresh.layer import COPIED_ANYHOW, COPIED_PER_USER, few_enough
from serving_export.releases.catalog import Build

RUNS_A_DAY = 96


def layer(users: int) -> Build:
    return Build("1999-01-01.2", "1999-01-01", date(1999, 1, 1), "1", "ready", users, 1, ["1999-01-01.2", "1999-01-01.1"])


@given(st.lists(st.one_of(st.integers(1, 100), st.integers(1, 1_000_000)), max_size=RUNS_A_DAY))
def test_a_refresh_copies_in_proportion_to_its_users_and_leaves_no_two_small_layers(runs: list[int]) -> None:
    stack: list[Build] = []
    for users in runs:
        taken_in = few_enough(stack, users)
        copied = sum(each.users or 0 for each in taken_in)
        assert taken_in == stack[: len(taken_in)]
        assert copied <= COPIED_ANYHOW + COPIED_PER_USER * users
        stack = [layer(users + copied), *stack[len(taken_in) :]]
        assert all(one.users + other.users > COPIED_ANYHOW for one, other in pairwise(stack))


@pytest.mark.parametrize("users", [1, 10, 33, 100, 1000, 10_000])
def test_a_day_of_equal_runs_leaves_few_layers(users: int) -> None:
    stack: list[Build] = []
    for _ in range(RUNS_A_DAY):
        taken_in = few_enough(stack, users)
        stack = [layer(users + sum(each.users or 0 for each in taken_in)), *stack[len(taken_in) :]]
    assert len(stack) <= 4


def test_the_users_of_a_small_shop_stay_in_one_layer() -> None:
    stack: list[Build] = []
    for run in range(RUNS_A_DAY):
        assert few_enough(stack, 10) == stack
        stack = [layer(10 * (run + 1))]


def test_a_large_layer_is_left_alone() -> None:
    small, large = layer(COPIED_ANYHOW), layer(COPIED_ANYHOW + 300 * COPIED_PER_USER + 1)
    assert few_enough([large], 300) == []
    assert few_enough([small, large], 300) == [small]
