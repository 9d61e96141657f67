"""A column as a small histogram that adds up over days."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.profiles import MOST_VALUES, REST, bucket, bucket_value, profile, profile_frame


def buckets(*numbers: float | None) -> list[int | None]:
    return pl.DataFrame({"x": numbers}, schema={"x": pl.Float64}).select(bucket(pl.col("x")).alias("x"))["x"].to_list()


def test_buckets_by_hand():
    # 1.04**17 = 1.948, 1.04**18 = 2.026
    assert buckets(0, 1, 2, -2, 1.04, None, math.nan, math.inf) == [0, 1000, 1018, -1018, 1001, None, None, None]


@given(st.lists(st.floats(-1e15, 1e15).filter(lambda x: x == 0 or abs(x) > 1e-15), min_size=2, max_size=50))
def test_buckets_keep_the_order_of_numbers_and_their_size_to_four_percent(numbers):
    keys = buckets(*sorted(numbers))
    assert keys == sorted(keys)
    for number, key in zip(sorted(numbers), keys, strict=True):
        assert abs(bucket_value(key)) == pytest.approx(abs(number), rel=0.0401)


def test_texts_are_counted_by_value_and_the_rare_ones_together():
    values = pl.DataFrame({"value": [f"v{n:03}" for n in range(MOST_VALUES + 2)] + [None], "rows": [2] * (MOST_VALUES + 2) + [5]})
    found = profile(values)
    assert (found.rows, found.nulls, found.numbers) == (2 * MOST_VALUES + 4 + 5, 5, False)
    assert len(found.counts) == MOST_VALUES + 1
    assert (found.counts["v000"], found.counts[REST]) == (2, 4)


def test_a_frame_s_columns():
    found = profile_frame(pl.DataFrame({"price": [1.0, 1.0, None, 2.0], "region": ["a", None, None, "b"]}))
    assert found["rows"].rows == 4
    assert (found["price"].counts, found["price"].nulls, found["price"].null_share) == ({"1000": 2, "1018": 1}, 1, 0.25)
    assert (found["region"].counts, found["region"].null_share) == ({"a": 1, "b": 1}, 0.5)


@given(st.lists(st.one_of(st.none(), st.text(max_size=120)), max_size=300))
def test_no_row_of_a_text_column_is_lost(texts):
    found = profile_frame(pl.DataFrame({"x": texts}, schema={"x": pl.String}))["x"]
    assert sum(found.counts.values()) + found.nulls == found.rows == len(texts)


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=300))
def test_no_row_of_a_number_column_is_lost(numbers):
    found = profile_frame(pl.DataFrame({"x": numbers}, schema={"x": pl.Float64}))["x"]
    assert sum(found.counts.values()) + found.nulls == found.rows == len(numbers)


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=60), st.integers(0, 60), st.booleans())
def test_profiles_of_parts_add_up_to_that_of_the_whole(numbers, cut, as_texts):
    whole = pl.DataFrame({"x": numbers}, schema={"x": pl.Float64}).select(pl.col("x").cast(pl.String if as_texts else pl.Float64))
    parts = [profile_frame(part)["x"] for part in (whole[:cut], whole[cut:])]
    assert parts[0] + parts[1] == profile_frame(whole)["x"]
