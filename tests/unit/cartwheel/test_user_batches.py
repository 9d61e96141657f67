"""Ranges of users for batches: about equally large, from a sample that does not grow."""

import polars as pl
import pyarrow as pa
import pytest

from cartwheel import user_batches


def test_ranges_are_about_equal_however_many_tables_and_rows_a_user_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_batches, "SAMPLE", 500)
    monkeypatch.setattr(user_batches, "ROWS_PER_RANGE", 10_000)
    keys = pl.Series("user_key", [f"{number:05}" for number in range(20_000)])
    tables = [pa.table({"user_key": keys[start : start + 40].to_arrow()}) for start in range(0, len(keys), 40) for _ in range(2)]
    bounds = user_batches._bounds(tables)
    assert len(bounds) == 4
    counts = pl.Series(bounds).search_sorted(keys).value_counts()["count"]
    assert counts.min() > 0.7 * 4000 and counts.max() < 1.3 * 4000
    assert user_batches._bounds(reversed(tables)) == bounds
