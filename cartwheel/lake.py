"""The lake: Parquet datasets in an S3 bucket, at `<dataset>/date=<partition key>/`.

A partition is complete when it holds `_SUCCESS`, which is written last and removed first, as Spark does.
Reading an incomplete or missing partition is an error that names it; nothing half-written is ever read.
"""

import io
import time
from datetime import date
from functools import lru_cache

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import get_settings

EXPORTED = ("interactions", "items", "users", "no_consent", "item_context")


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
    bucket, prefix = get_settings().lake_bucket, partition_prefix(dataset, day)
    if not exists(dataset, day):  # the embedded store may show what Spark has just written a second late
        time.sleep(1.5)
    keys = [item["Key"] for item in list_objects(bucket, prefix)]
    if prefix + "_SUCCESS" not in keys:
        raise MissingPartitionError(f"s3://{bucket}/{prefix} is missing or incomplete: run the chain for {day} first")
    parts = [key for key in keys if key.endswith(".parquet")]
    return pa.concat_tables([_part(dataset, get_bytes(bucket, key), columns) for key in parts])


def _part(dataset: str, data: bytes, columns: list[str] | None) -> pa.Table:
    """One file of a partition."""
    if dataset not in EXPORTED:
        return pq.read_table(io.BytesIO(data), columns=columns, partitioning=None)
    file = pq.ParquetFile(io.BytesIO(data))
    names = columns or LAKE_SCHEMAS[dataset].names
    table = file.read([name for name in names if name in file.schema_arrow.names])
    for field in (LAKE_SCHEMAS[dataset].field(name) for name in names if name not in file.schema_arrow.names):
        table = table.append_column(field, pa.nulls(file.metadata.num_rows, field.type))
    return table.select(names)


def write(dataset: str, day: date, table: pa.Table) -> None:
    """Replace one partition. The table is cast to the dataset's schema in the contracts, where it has one."""
    if dataset in LAKE_SCHEMAS:
        table = table.select(LAKE_SCHEMAS[dataset].names).cast(LAKE_SCHEMAS[dataset])
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    delete(dataset, day)
    bucket, prefix = get_settings().lake_bucket, partition_prefix(dataset, day)
    s3_client().put_object(Bucket=bucket, Key=prefix + "part-00000.parquet", Body=buffer.getvalue())
    s3_client().put_object(Bucket=bucket, Key=prefix + "_SUCCESS", Body=b"")


def delete(dataset: str, day: date) -> None:
    """Remove one partition, its `_SUCCESS` first."""
    bucket = get_settings().lake_bucket
    keys = [item["Key"] for item in list_objects(bucket, partition_prefix(dataset, day))]
    for key in sorted(keys, key=lambda key: not key.endswith("_SUCCESS")):
        s3_client().delete_object(Bucket=bucket, Key=key)
