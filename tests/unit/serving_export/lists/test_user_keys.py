"""Reading along with others in the order of user keys."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from serving_export.lists.user_keys import Ascending


@given(st.lists(st.integers(0, 40), max_size=30), st.lists(st.integers(1, 5), min_size=1, max_size=30), st.data())
def test_every_row_is_taken_once_by_the_first_who_asks_for_it(numbers, sizes, data) -> None:
    keys = [f"{number:02}" for number in sorted(numbers)]
    frames, start = [pl.DataFrame({"user_key": pl.Series([], dtype=pl.String)})], 0
    for size in sizes * len(keys):
        frames.append(pl.DataFrame({"user_key": pl.Series(keys[start : start + size], dtype=pl.String)}))
        start += size
    asked = sorted(data.draw(st.sets(st.sampled_from([f"{number:02}" for number in range(41)]), max_size=8)))
    rows, taken = Ascending(frames), []
    for last in asked:
        found = rows.up_to(last)["user_key"].to_list()
        assert found == [key for key in keys if key <= last and key not in taken]
        taken += found
    assert taken + rows.rest()["user_key"].to_list() == keys
