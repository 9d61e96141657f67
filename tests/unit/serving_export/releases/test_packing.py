"""Packing a list and reading it back."""

import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.releases.packing import Item, pack_all, unpack

LIST_OF_TEXT, LIST_OF_FLOAT = pa.list_(pa.string()), pa.list_(pa.float32())
text = st.text(max_size=40)
items = st.lists(st.builds(Item, text, st.floats(width=32, allow_nan=False), text), max_size=60)


def pack(ids: list[str], scores: list[float], reasons: list[str]) -> bytes:
    (packed,) = pack_all(pa.array([ids], LIST_OF_TEXT), pa.array([scores], LIST_OF_FLOAT), pa.array([reasons], LIST_OF_TEXT))
    return packed.as_py()


def columns_of(expected: list[Item]) -> tuple[list[str], list[float], list[str]]:
    return [item.item_id for item in expected], [item.score for item in expected], [item.reason for item in expected]


@given(st.lists(items, max_size=5), st.integers(0, 4))
def test_many_lists_at_once_whatever_part_of_a_column_they_are(lists: list[list[Item]], start: int) -> None:
    columns = zip(*map(columns_of, lists), strict=True) if lists else ([], [], [])
    kinds = (LIST_OF_TEXT, LIST_OF_FLOAT, LIST_OF_TEXT)
    packed = pack_all(*(pa.array(column, kind)[start:] for column, kind in zip(columns, kinds, strict=True)))
    assert [unpack(each) for each in packed.to_pylist()] == lists[start:]


@given(items)
def test_unpack_gives_back_what_was_packed(expected: list[Item]) -> None:
    assert unpack(pack(*columns_of(expected))) == expected


def test_the_layout_is_the_documented_one() -> None:
    assert (
        pack(["ab"], [0.5], ["ü"])
        == b"\x01" + b"\x01\x00" + struct.pack("<f", 0.5) + b"\x02\x00" + b"\x02\x00" + b"ab" + b"\xc3\xbc"
    )


@given(items, st.integers(1, 1000))
def test_a_list_cut_short_is_refused(expected: list[Item], cut: int) -> None:
    payload = pack(*columns_of(expected))
    with pytest.raises(ValueError, match="packed list"):
        unpack(payload[: max(0, len(payload) - cut)])


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        unpack(b"\x02\x00\x00")


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        pack(["a"], [1.0], ["x" * 65_536])
