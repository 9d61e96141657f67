"""How fast and in how much memory a landed file becomes rows of `raw`, side by side with a bare COPY.

    make bench-ingest                                   both parts
    python -m benchmarks.ingest --memory-sizes ""       speed alone

Speed: the same purchases, in contract form. Ours: fetched from the landing bucket, decompressed, parsed, checked, ids
claimed, loaded and accounted for. COPY: the rows as text that PostgreSQL's COPY reads, into the same raw table, nothing
else. Memory: the peak of a process that ingests one file. Works in a database and a bucket of its own, removed at the end.
Needs the stores: `cartwheel up --stores`.
"""

import argparse
import gzip
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from cartwheel import ingest, lake, warehouse
from cartwheel.contracts import INTERACTIONS
from cartwheel.local.config import load_config
from cartwheel.settings import get_settings

NAME = "cartwheel_bench_ingest"
BUCKET = NAME.replace("_", "-")
DAY = date(2017, 12, 1)
CHUNK_ROWS = 200_000
console = Console(stderr=True)


def purchases(rows: int, first: int = 0) -> pl.DataFrame:
    """Made-up purchases as a grocery shop's: baskets of about ten lines, in order of time, with prices and a context."""
    chance = np.random.default_rng(first + 1)
    number = np.arange(first, first + rows)
    basket = 31_198_000_000 + number // 10
    product = chance.integers(800_000, 18_000_000, rows)
    cents = chance.integers(50, 2000, rows)
    quantity = chance.integers(1, 4, rows)
    second = (number * 86_399) // max(rows + first, 1)
    return pl.DataFrame({"basket": basket, "product": product, "number": number, "cents": cents, "quantity": quantity}).select(
        pl.format("{}-{}-{}", "basket", "product", pl.col("number") % 10).alias("event_id"),
        pl.lit("purchase").alias("event_type"),
        pl.Series("user_id", chance.integers(1, 250_000, rows)).cast(pl.String),
        pl.col("product").cast(pl.String).alias("item_id"),
        (pl.lit(DAY).cast(pl.Datetime("us")) + pl.duration(seconds=pl.Series(second)))
        .dt.to_string("%Y-%m-%dT%H:%M:%SZ")
        .alias("event_ts"),
        pl.col("quantity").alias("quantity"),
        (pl.col("cents") / 100).alias("price"),
        pl.col("basket").cast(pl.String).alias("session_id"),
        pl.lit("store").alias("surface"),
        pl.lit("till").alias("device"),
        pl.format("store-{}", pl.Series(chance.integers(300, 900, rows))).alias("region"),
        (pl.col("cents") * pl.col("quantity") / 100).alias("value"),
        context=pl.concat_str(
            pl.lit('{"retail_disc":'), pl.Series(chance.integers(0, 300, rows) / 100), pl.lit(',"coupon_disc":0.0,"week":48}')
        ),
    )


@contextmanager
def own_warehouse_and_bucket() -> Iterator[None]:
    """The settings point to an empty database and bucket until the end."""
    config = load_config()
    with psycopg.connect(config.postgres_dsn("postgres", "postgres"), autocommit=True) as admin:
        name = sql.Identifier(NAME)
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        admin.execute(sql.SQL("create database {} owner cartwheel").format(name))
        os.environ["CARTWHEEL_POSTGRES_DSN"] = config.postgres_dsn("cartwheel", NAME, "cartwheel")
        os.environ["CARTWHEEL_LANDING_BUCKET"] = BUCKET
        os.environ["CARTWHEEL_SHOP_FILE"] = ""
        get_settings.cache_clear()
        empty_bucket()
        try:
            lake.s3_client().create_bucket(Bucket=BUCKET)
            warehouse.migrate()
            yield
        finally:
            empty_bucket()
            admin.execute(sql.SQL("drop database {} with (force)").format(name))


def empty_bucket() -> None:
    client = lake.s3_client()
    if BUCKET in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        for item in lake.list_objects(BUCKET):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
        client.delete_bucket(Bucket=BUCKET)


def empty_raw() -> None:
    """Forget everything, and let PostgreSQL write out what it has pending, so that each repetition starts alike."""
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("drop table if exists raw.interactions_20171201")
        connection.execute(
            "truncate raw.interaction_ids, raw.rejected_rows, raw.duplicate_rows, ops.loaded_files, ops.loaded_dates"
        )
        connection.execute("vacuum")
    config = load_config()
    with psycopg.connect(config.postgres_dsn("postgres", "postgres"), autocommit=True) as admin:
        admin.execute("checkpoint")


def time_of_copy(text: bytes) -> float:
    """Seconds of a bare COPY of the rows into the raw table."""
    empty_raw()
    with warehouse.connect() as connection:
        connection.execute("create table raw.interactions_20171201 partition of raw.interactions for values in ('2017-12-01')")
        connection.commit()
        columns = sql.SQL(", ").join(map(sql.Identifier, ("business_date", "key", "line", *INTERACTIONS.columns)))
        started = time.perf_counter()
        with connection.cursor().copy(
            sql.SQL("copy raw.interactions_20171201 ({}) from stdin (format csv)").format(columns)
        ) as copy:
            view = memoryview(text)
            for at in range(0, len(view), 1 << 20):
                copy.write(view[at : at + (1 << 20)])
        connection.commit()
        return time.perf_counter() - started


def time_of_ingest(rows: int) -> float:
    """Seconds of our whole way."""
    empty_raw()
    started = time.perf_counter()
    report = ingest.ingest(DAY)
    seconds = time.perf_counter() - started
    assert report.accepted == rows, report
    return seconds


def as_loaded() -> bytes:
    """The rows of the raw table as text for COPY: exactly what ours has loaded."""
    buffer = io.BytesIO()
    columns = sql.SQL(", ").join(map(sql.Identifier, ("business_date", "key", "line", *INTERACTIONS.columns)))
    query = sql.SQL("copy (select {} from raw.interactions order by line) to stdout (format csv)").format(columns)
    with warehouse.connect() as connection, connection.cursor().copy(query) as copy:
        for part in copy:
            buffer.write(part)
    return buffer.getvalue()


def measure_speed(rows: int, repetitions: int) -> dict[str, float]:
    """Median rows per second of ours and of COPY, measured in turns."""
    body = gzip.compress(purchases(rows).write_csv().encode(), compresslevel=6, mtime=0)
    lake.s3_client().put_object(Bucket=BUCKET, Key=f"interactions/{DAY}.csv.gz", Body=body)
    time_of_ingest(rows)
    text = as_loaded()
    ours, copies = [], []
    for number in range(repetitions):
        ours.append(time_of_ingest(rows))
        copies.append(time_of_copy(text))
        console.print(f"repetition {number + 1} of {repetitions}: ours {ours[-1]:.2f} s, COPY {copies[-1]:.2f} s")
    our_rate, copy_rate = rows / statistics.median(ours), rows / statistics.median(copies)
    return {
        "rows": rows,
        "ingest_rows_per_s": round(our_rate),
        "copy_rows_per_s": round(copy_rate),
        "ratio_to_copy": round(our_rate / copy_rate, 3),
    }


def measure_memory(megabytes: int) -> dict[str, float]:
    """The peak memory of a process that ingests a file of this size, and that process's rows per second."""
    empty_raw()
    key = f"interactions/{DAY}.csv"
    rows = 0
    with tempfile.NamedTemporaryFile() as file:
        while file.tell() < megabytes * 1_000_000:
            purchases(CHUNK_ROWS, rows).write_csv(file, include_header=rows == 0)
            rows += CHUNK_ROWS
        file.flush()
        lake.s3_client().upload_file(file.name, BUCKET, key)
    child = subprocess.run([sys.executable, "-m", "benchmarks.ingest", "--child"], check=True, capture_output=True, text=True)
    lake.s3_client().delete_object(Bucket=BUCKET, Key=key)
    figures = json.loads(child.stdout.strip().splitlines()[-1])
    if figures["accepted"] != rows:
        raise AssertionError(f"{figures['accepted']} of {rows} rows were accepted")
    console.print(f"a file of {megabytes} MB: {figures['peak_mb']} MB at most, {rows / figures['seconds']:,.0f} rows/s")
    return {f"peak_mb_{'1gb' if megabytes == 1000 else f'{megabytes}mb'}_file": figures["peak_mb"]}


def child() -> None:
    """Ingest once, and print this process's peak memory."""
    started = time.perf_counter()
    accepted = ingest.ingest(DAY).accepted
    status = Path("/proc/self/status").read_text()  # getrusage counts the parent's memory before exec, too
    peak = int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) // 1024  # type: ignore[index]
    print(json.dumps({"accepted": accepted, "seconds": time.perf_counter() - started, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--memory-sizes", default="100,1000", help="sizes of files in MB; empty for none")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child()
        return
    figures: dict[str, float] = {}
    with own_warehouse_and_bucket():
        if arguments.repetitions:
            figures |= measure_speed(arguments.rows, arguments.repetitions)
            lake.s3_client().delete_object(Bucket=BUCKET, Key=f"interactions/{DAY}.csv.gz")
        for size in filter(None, arguments.memory_sizes.split(",")):
            figures |= measure_memory(int(size))
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    console.print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
