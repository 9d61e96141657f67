"""Rows in PostgreSQL's binary format, byte by byte."""

import struct

import pyarrow as pa

from serving_export.releases.binary_columns import ahead, buffer_of
from serving_export.releases.binary_copy import binary_rows

TABLE = pa.table(
    {
        "user_id": pa.array(["skipped", "ü", "b"]),
        "item_ids": pa.array([["x"], ["a", "bc"], []], pa.list_(pa.string())),
        "scores": pa.array([[1.0], [0.5, -2.0], []], pa.list_(pa.float32())),
    }
)


def field(*values: bytes) -> bytes:
    payload = b"".join(values)
    return struct.pack(">i", len(payload)) + payload


def test_texts_and_arrays() -> None:
    first, second = binary_rows(TABLE.slice(1)).to_pylist()
    texts = struct.pack(">5i", 1, 0, 25, 2, 1), field(b"a"), field(b"bc")
    numbers = struct.pack(">5i", 1, 0, 700, 2, 1), field(struct.pack(">f", 0.5)), field(struct.pack(">f", -2))
    assert first == struct.pack(">h", 3) + field("ü".encode()) + field(*texts) + field(*numbers)
    empty = [field(struct.pack(">3i", 0, 0, oid)) for oid in (25, 700)]
    assert second == struct.pack(">h", 3) + field(b"b") + b"".join(empty)


def test_rows_lie_behind_one_another() -> None:
    rows = binary_rows(TABLE)
    assert bytes(buffer_of(rows)) == b"".join(rows.to_pylist())
    assert bytes(buffer_of(rows[1:])) == b"".join(rows[1:].to_pylist())


def test_ahead_gives_every_item_and_passes_errors_on() -> None:
    def three():
        yield from (1, 2)
        raise ValueError("the third")

    taken = []
    try:
        for item in ahead(three()):
            taken.append(item)
    except ValueError as error:
        taken.append(str(error))
    assert taken == [1, 2, "the third"]
