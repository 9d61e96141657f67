"""The lake: Parquet datasets in an S3 bucket, at `<dataset>/date=<partition key>/`.

A partition is complete when it holds `_SUCCESS`, which is written last and removed first, as Spark does.
Reading an incomplete or missing partition is an error that names it; nothing half-written is ever read.
"""

import io
import time
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.config import Config

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import get_settings

EXPORTED = ("interactions", "items", "users", "no_consent", "item_context")
ROWS_PER_PART = 1_000_000
ROWS_PER_BATCH = 200_000


class MissingPartitionError(FileNotFoundError):
    """A partition that was asked for is not in the lake, or not complete."""


@lru_cache
def s3_client():
    """The S3 client of the settings (whole objects only: see the operations guide)."""
    settings = get_settings()
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key,
        region_name=settings.s3_region,
        config=Config(retries={"max_attempts": 5, "mode": "standard"}, s3={"addressing_style": "path"}),
    )


def list_objects(bucket: str, prefix: str = "") -> list[dict]:
    """All objects under a prefix, as S3 describes them (`Key`, `ETag`, `Size`), in key order."""
    pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted((item for page in pages for item in page.get("Contents", [])), key=lambda item: item["Key"])


def get_bytes(bucket: str, key: str) -> bytes:
    """One whole object."""
    return s3_client().get_object(Bucket=bucket, Key=key)["Body"].read()


def partition_prefix(dataset: str, day: date) -> str:
    return f"{dataset}/date={day.isoformat()}/"


def exists(dataset: str, day: date) -> bool:
    """Whether the partition is there and complete."""
    return bool(list_objects(get_settings().lake_bucket, partition_prefix(dataset, day) + "_SUCCESS"))


def is_current(dataset: str, day: date) -> bool:
    """Whether the partition is complete and has the contract's columns, those of today's version."""
    if not exists(dataset, day):
        return False
    bucket = get_settings().lake_bucket
    keys = (item["Key"] for item in list_objects(bucket, partition_prefix(dataset, day)))
    part = next((key for key in keys if key.endswith(".parquet")), None)
    return part is None or pq.read_schema(io.BytesIO(get_bytes(bucket, part))).names == LAKE_SCHEMAS[dataset].names


def complete_dates(dataset: str) -> list[date]:
    """The dates whose partitions are complete, in order."""
    keys = (item["Key"] for item in list_objects(get_settings().lake_bucket, f"{dataset}/date="))
    return sorted(date.fromisoformat(key.split("/date=")[1][:10]) for key in keys if key.endswith("/_SUCCESS"))


def dates(dataset: str) -> list[date]:
    """The dates of which anything is there, complete or not, in order."""
    keys = (item["Key"] for item in list_objects(get_settings().lake_bucket, f"{dataset}/date="))
    return sorted({date.fromisoformat(key.split("/date=")[1][:10]) for key in keys})


def read(dataset: str, day: date, columns: list[str] | None = None) -> pa.Table:
    """One partition as a table.

    What was exported before the contract had a column lacks it; in the table it is null.

    Raises:
        MissingPartitionError: it is missing or incomplete.
    """
    return pa.concat_tables(table for part in _parts(dataset, day) for table in _tables(dataset, part, columns))


def batches(dataset: str, day: date, columns: list[str] | None = None, rows: int = ROWS_PER_BATCH) -> Iterator[pa.Table]:
    """One partition as tables of so many rows at most; in memory there is one file of it, compressed, and one table.

    Raises:
        MissingPartitionError: it is missing or incomplete.
    """
    for part in _parts(dataset, day):
        yield from _tables(dataset, part, columns, rows)


def whole_users(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, cut so that the rows of a user who stands at the end of one table stay together."""
    held = None
    for table in tables:
        table = table if held is None else pa.concat_tables([held, table])
        if len(table):
            first = pc.index(table["user_key"], table["user_key"][-1]).as_py()
            if first:
                yield table.slice(0, first)
            held = table.slice(first)
    if held is not None:
        yield held


def _parts(dataset: str, day: date) -> Iterator[bytes]:
    """The files of a partition, each whole: see the operations guide."""
    bucket, prefix = get_settings().lake_bucket, partition_prefix(dataset, day)
    if not exists(dataset, day):  # the embedded store may show what Spark has just written a second late
        time.sleep(1.5)
    keys = [item["Key"] for item in list_objects(bucket, prefix)]
    if prefix + "_SUCCESS" not in keys:
        raise MissingPartitionError(f"s3://{bucket}/{prefix} is missing or incomplete: run the chain for {day} first")
    return (get_bytes(bucket, key) for key in keys if key.endswith(".parquet"))


def _tables(dataset: str, data: bytes, columns: list[str] | None, rows: int | None = None) -> Iterator[pa.Table]:
    """One file of a partition, whole or some rows at a time; without rows it is one empty table."""
    file = pq.ParquetFile(io.BytesIO(data))
    held = file.schema_arrow.names
    names = columns or (LAKE_SCHEMAS[dataset].names if dataset in EXPORTED else held)
    wanted = [name for name in names if name in held or dataset not in EXPORTED]
    if rows is None or not file.metadata.num_rows:
        tables: Iterable[pa.Table] = [file.read(wanted)]
    else:
        tables = (pa.Table.from_batches([batch]) for batch in file.iter_batches(rows, columns=wanted))
    for table in tables:
        for field in (LAKE_SCHEMAS[dataset].field(name) for name in names if name not in wanted):
            table = table.append_column(field, pa.nulls(len(table), field.type))
        yield table.select(names)


def write(dataset: str, day: date, table: pa.Table) -> None:
    """Replace one partition. The table is cast to the dataset's schema in the contracts, where it has one."""
    write_batches(dataset, day, [_as_agreed(dataset, table)])


def write_batches(dataset: str, day: date, tables: Iterable[pa.Table]) -> int:
    """Replace one partition by tables that are made one after the other; how many rows there were.

    A file holds `ROWS_PER_PART` rows, and a table more. If the tables end with an error, the partition is incomplete.
    """
    delete(dataset, day)
    bucket, prefix = get_settings().lake_bucket, partition_prefix(dataset, day)
    rows = 0
    for number, table in enumerate(_gathered(_as_agreed(dataset, table) for table in tables)):
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        s3_client().put_object(Bucket=bucket, Key=f"{prefix}part-{number:05}.parquet", Body=buffer.getvalue())
        rows += len(table)
    s3_client().put_object(Bucket=bucket, Key=prefix + "_SUCCESS", Body=b"")
    return rows


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of `ROWS_PER_PART` rows or a little more, and what is left."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= ROWS_PER_PART:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _as_agreed(dataset: str, table: pa.Table) -> pa.Table:
    schema = LAKE_SCHEMAS.get(dataset)
    return table if schema is None else table.select(schema.names).cast(schema)


def delete(dataset: str, day: date) -> None:
    """Remove one partition, its `_SUCCESS` first."""
    bucket = get_settings().lake_bucket
    keys = [item["Key"] for item in list_objects(bucket, partition_prefix(dataset, day))]
    for key in sorted(keys, key=lambda key: not key.endswith("_SUCCESS")):
        s3_client().delete_object(Bucket=bucket, Key=key)
