"""The person in the lake: rows by `user_key` in any dataset of any date.

An object is replaced as a whole by one without the person's rows, so a reader sees the one or the other; `_SUCCESS`
stays where it is, as the partition stays complete. Objects without the person are not written. Pages of the Data Docs that
name the person as an example are removed.
"""

import html
import io
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from cartwheel import lake
from cartwheel.privacy.person import Person, Places
from cartwheel.settings import get_settings

log = structlog.get_logger()

KEY_COLUMN, ID_COLUMN = "user_key", "user_id"
OBJECTS_AT_ONCE = 4


class LakeEraser:
    """See `person.Eraser`."""

    def find(self, person: Person) -> Places:
        """Every object is searched: the key in all columns of text, the id in columns of that name."""
        return _sum("searching", lambda key: rows_with(lake.get_bytes(get_settings().lake_bucket, key), key, person))

    def erase(self, person: Person) -> Places:
        return _sum("erasing", lambda key: _erase_from(key, person))


def rows_with(body: bytes, key: str, person: Person) -> int:
    """Rows of an object that hold the person; 1 for a page that holds the key, or an id that is not just a number."""
    if not key.endswith(".parquet"):
        return int(person.user_key.encode() in body or (not person.is_number and _names(person).search(body) is not None))
    schema = pq.read_schema(io.BytesIO(body))
    names = [field.name for field in schema if pa.types.is_string(_values(field.type))]
    flat = [name for name in names if pa.types.is_string(schema.field(name).type)]
    table = pq.read_table(io.BytesIO(body), columns=names, read_dictionary=flat, partitioning=None)
    held = pa.array([False] * len(table)) if not names else None
    for name in names:
        wanted = [person.user_key, person.user_id] if name == ID_COLUMN else [person.user_key]
        here = _holds(table[name].combine_chunks(), wanted)
        held = here if held is None else pc.or_(held, here)
    return pc.sum(held).as_py() or 0


def _names(person: Person) -> re.Pattern[bytes]:
    """The id in a page, on its own."""
    written = "|".join(re.escape(each) for each in {person.user_id, html.escape(person.user_id)})
    return re.compile(rf"(?<![\w.\-])({written})(?![\w.\-])".encode())


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) else kind


def _holds(values: pa.Array, wanted: list[str]) -> pa.Array:
    if pa.types.is_list(values.type):
        rows = pc.list_parent_indices(values).filter(pc.is_in(pc.list_flatten(values), pa.array(wanted, pa.string())))
        return pc.is_in(pa.array(range(len(values)), rows.type), rows)
    return pc.fill_null(pc.is_in(values.cast(pa.string()), pa.array(wanted, pa.string())), False)


def _erase_from(key: str, person: Person) -> int:
    bucket = get_settings().lake_bucket
    body = lake.get_bytes(bucket, key)
    if not key.endswith(".parquet"):
        named = rows_with(body, key, person)
        if named:
            lake.s3_client().delete_object(Bucket=bucket, Key=key)
        return named
    if KEY_COLUMN not in pq.read_schema(io.BytesIO(body)).names:
        return 0
    keys = pq.read_table(io.BytesIO(body), columns=[KEY_COLUMN], partitioning=None)[KEY_COLUMN]
    others = pc.fill_null(pc.not_equal(keys, person.user_key), True)
    removed = len(keys) - (pc.sum(others).as_py() or 0)
    if removed:
        buffer = io.BytesIO()
        table = pq.read_table(io.BytesIO(body), partitioning=None).filter(others)
        pq.write_table(table, buffer, compression="zstd")
        lake.s3_client().put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    return removed


def _sum(doing: str, count: Callable[[str], int]) -> Places:
    """Rows by dataset over all objects of the lake."""
    keys = [item["Key"] for item in lake.list_objects(get_settings().lake_bucket) if item["Size"]]
    started, places = time.monotonic(), Places()
    with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
        counts: Iterable[int] = pool.map(count, keys)
        for done, (key, rows) in enumerate(zip(keys, counts, strict=True), start=1):
            if rows:
                place = "lake " + (key.partition("/date=")[0] if "/date=" in key else key.partition("/")[0])
                places[place] = places.get(place, 0) + rows
            if done % 500 == 0 or done == len(keys):
                elapsed = time.monotonic() - started
                log.info(
                    f"{doing} the lake", objects=f"{done}/{len(keys)}", objects_per_s=round(done / elapsed),
                    remaining_s=round(elapsed / done * (len(keys) - done)),
                )  # fmt: skip
    return places
