"""Arrow tables in the binary format of PostgreSQL's COPY.

The format: a header, then for each row its number of fields, each with its length before it, then a trailer; all numbers
big-endian. An array is a field that holds its number of dimensions, a flag for nulls, the type of its elements, and if it
is not empty its length and lower bound and the elements. See "COPY", "Binary Format", in PostgreSQL's documentation.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving_export.releases.binary_columns import fixed, joined, lengths, offsets, repeated, within_lists

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_TEXT_OID, _REAL_OID = 25, 700
_EMPTY = np.dtype([("bytes", ">i4"), ("dimensions", ">i4"), ("nulls", ">i4"), ("type", ">i4")])
_ARRAY = np.dtype([*((name, ">i4") for name in _EMPTY.names or ()), ("length", ">i4"), ("lower_bound", ">i4")])


def binary_rows(table: pa.Table) -> pa.BinaryArray:
    """The rows of a table without nulls, whose columns are text, text[] and real[]."""
    columns = [column.combine_chunks() for column in table.columns]
    count = repeated(len(columns).to_bytes(2, "big"), len(table))
    return joined(count, *(_array(column) if pa.types.is_list(column.type) else _field(column) for column in columns))


def _field(values: pa.Array) -> pa.BinaryArray:
    return joined(fixed(lengths(values).astype(">i4")), values)


def _array(lists: pa.ListArray) -> pa.BinaryArray:
    places = offsets(lists)
    values = lists.values[places[0] : places[-1]]
    if pa.types.is_string(values.type):
        oid, elements = _TEXT_OID, _field(values)
    else:
        element = np.dtype([("bytes", ">i4"), ("value", ">f4")])
        records: np.ndarray = np.empty(len(values), element)
        records["bytes"], records["value"] = 4, values.to_numpy()
        oid, elements = _REAL_OID, fixed(records)
    payload, count = within_lists(lists, elements), lengths(lists)
    head: np.ndarray = np.zeros(len(lists), _ARRAY)
    head["bytes"], head["type"], head["length"], head["lower_bound"] = 20 + lengths(payload), oid, count, 1
    head["dimensions"] = 1
    empty: np.ndarray = np.zeros(len(lists), _EMPTY)
    empty["bytes"], empty["type"] = 12, oid
    return joined(pc.if_else(pa.array(count > 0), fixed(head), fixed(empty)), payload)
