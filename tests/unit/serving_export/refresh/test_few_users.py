"""Where files of users begin: between two users, and never at the name of one if a shorter text will do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.refresh.few_users import between


@pytest.mark.parametrize(
    ("before", "after", "start"), [("", "3fa0", "3"), ("3fa0", "3fb1", "3fb"), ("3f", "3fa0", "3fa"), ("1999", "a000", "a")]
)
def test_the_shortest_beginning_that_tells_them_apart(before: str, after: str, start: str) -> None:
    assert between(before, after) == start


@given(st.sets(st.text("0123456789abcdef", min_size=1), min_size=2, max_size=2))
def test_it_lies_between(keys: set[str]) -> None:
    before, after = sorted(keys)
    assert before < between(before, after) <= after
