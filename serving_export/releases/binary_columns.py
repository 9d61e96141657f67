"""Building many byte strings at once, in Arrow: one row, one value. What the stores are loaded with is made of these.

No row is touched in Python: a fixed part of each row comes from a NumPy array, a part of varying length from an Arrow
array, and `joined` puts the parts of each row side by side. The rows of the result lie behind one another in one buffer.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items; the next one is made, in a thread, while one is used: Arrow's work does not hold the interpreter up."""
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, source, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, source, None)
            yield item


def fixed(records: np.ndarray) -> pa.BinaryArray:
    """The bytes of each element, for example of a structured array, as they lie in memory."""
    records = np.ascontiguousarray(records)
    kind = pa.binary(records.dtype.itemsize)
    return pa.Array.from_buffers(kind, len(records), [None, pa.py_buffer(records.view(np.uint8))]).cast(pa.binary())


def decimals(numbers: np.ndarray) -> pa.BinaryArray:
    """Whole numbers in ASCII digits."""
    return pa.array(numbers).cast(pa.string()).cast(pa.binary())


def repeated(value: bytes, rows: int) -> pa.BinaryArray:
    """The same bytes in every row."""
    return fixed(np.full(rows, value, f"V{len(value)}"))


def joined(*parts: pa.Array) -> pa.BinaryArray:
    """The parts of each row side by side; texts in UTF-8."""
    return cast(pa.BinaryArray, pc.binary_join_element_wise(*(part.cast(pa.binary()) for part in parts), b""))


def within_lists(lists: pa.ListArray, values: pa.Array) -> pa.BinaryArray:
    """For every list, the bytes of its values behind one another, without a copy.

    Args:
        values: one for each of `lists.flatten()`: texts, bytes or numbers.
    """
    starts = offsets(lists)
    if pa.types.is_binary(values.type) or pa.types.is_string(values.type):
        ends, data = offsets(values), values.buffers()[2]
    else:
        width = values.type.bit_width // 8
        ends, data = (np.arange(len(values) + 1, dtype=np.int32) + values.offset) * width, values.buffers()[1]
    places = pa.py_buffer(np.ascontiguousarray(ends[starts - starts[0]], dtype=np.int32))
    return pa.Array.from_buffers(pa.binary(), len(lists), [None, places, data or pa.py_buffer(b"")])


def offsets(array: pa.Array) -> np.ndarray:
    """Where each row of a list, text or binary array begins, and where the last one ends; shape (rows + 1,)."""
    found = np.frombuffer(array.buffers()[1], np.int32) if array.buffers()[1] else np.zeros(1, np.int32)
    return found[array.offset : array.offset + len(array) + 1]


def lengths(array: pa.Array) -> np.ndarray:
    """The number of values or bytes of each row."""
    return np.diff(offsets(array))


def buffer_of(array: pa.BinaryArray) -> memoryview:
    """All rows behind one another."""
    places = offsets(array)
    data = array.buffers()[2]
    return memoryview(data)[places[0] : places[-1]] if data else memoryview(b"")
