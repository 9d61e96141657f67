"""Packing a list and reading it back."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.packing import Item, pack, unpack

text = st.text(max_size=40)
items = st.lists(st.builds(Item, text, st.floats(width=32, allow_nan=False), text), max_size=60)


@given(items)
def test_unpack_gives_back_what_was_packed(expected: list[Item]) -> None:
    columns = list(zip(*expected, strict=True)) or [(), (), ()]
    assert unpack(pack(*columns)) == expected


def test_the_layout_is_the_documented_one() -> None:
    assert (
        pack(["ab"], [0.5], ["ü"])
        == b"\x01" + b"\x01\x00" + struct.pack("<f", 0.5) + b"\x02\x00" + b"\x02\x00" + b"ab" + b"\xc3\xbc"
    )


@given(items, st.integers(1, 1000))
def test_a_list_cut_short_is_refused(expected: list[Item], cut: int) -> None:
    columns = list(zip(*expected, strict=True)) or [(), (), ()]
    payload = pack(*columns)
    with pytest.raises(ValueError, match="packed list"):
        unpack(payload[: max(0, len(payload) - cut)])


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        unpack(b"\x02\x00\x00")


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        pack(["a"], [1.0], ["x" * 65_536])
