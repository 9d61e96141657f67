"""Load the landing zone into `raw`, a date at a time.

    python -m cartwheel.ingest --date 2017-11-30

Every landed file of a date up to the given one whose key and ETag are not loaded yet makes its dataset and
date load again: in one transaction the partition is emptied, filled by COPY, and accounted for. Killed at
any point, it can be run again.
"""

import argparse
import io
import time
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import polars as pl
import psycopg
import structlog
from psycopg import sql

from cartwheel import landing, warehouse
from cartwheel.contracts import LANDING_CONTRACTS, parse_partition_key

log = structlog.get_logger()


class NothingLandedError(FileNotFoundError):
    """No interactions have landed for the business date."""


@dataclass
class IngestReport:
    """What one run did."""

    dates: int = 0
    files: int = 0
    rows_read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0


def ingest(day: date) -> IngestReport:
    """Load what has landed up to `day` and is not loaded yet.

    Raises:
        NothingLandedError: no interactions file has landed for `day` itself.
        landing.BadFileError: a file cannot be read; what was loaded before it stays.
    """
    files = landing.list_landed_files(until=day)
    if not any(file.dataset == "interactions" and file.business_date == day for file in files):
        raise NothingLandedError(f"no interactions have landed for {day}: expected interactions/{day}.csv.gz or the like")
    report, started = IngestReport(), time.monotonic()
    with warehouse.connect() as connection:
        loaded: dict[str, str] = dict(connection.execute("select key, etag from ops.loaded_files").fetchall())
        connection.commit()
        by_partition = groupby(files, key=lambda file: (file.business_date, file.dataset))
        partitions = [(dataset, business_date, list(group)) for (business_date, dataset), group in by_partition]
        groups = [part for part in partitions if any(loaded.get(file.key) != file.etag for file in part[2])]
        for done, (dataset, business_date, group) in enumerate(groups, start=1):
            load_partition(connection, dataset, business_date, group, report)
            if done % 25 == 0 or done == len(groups):
                elapsed = time.monotonic() - started
                log.info(
                    "ingest",
                    until=str(business_date),
                    partitions=f"{done}/{len(groups)}",
                    rows=report.rows_read,
                    rows_per_s=round(report.rows_read / elapsed),
                    remaining_s=round(elapsed / done * (len(groups) - done)),
                )
    report.dates = len({business_date for _, business_date, _ in groups})
    return report


def load_partition(
    connection: psycopg.Connection, dataset: str, day: date, files: list[landing.LandedFile], report: IngestReport
) -> None:
    """Replace one date of one raw table by what its files hold, in one transaction."""
    contract = LANDING_CONTRACTS[dataset]
    table, partition = sql.Identifier("raw", dataset), sql.Identifier("raw", f"{dataset}_{day:%Y%m%d}")
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (f"ingest {dataset} {day}",))
        connection.execute(
            sql.SQL("create table if not exists {} partition of {} for values in ({})").format(partition, table, sql.Literal(day))
        )
        connection.execute(sql.SQL("truncate {}").format(partition))
        connection.execute("delete from raw.rejected_rows where business_date = %s and dataset = %s", (day, dataset))
        connection.execute("delete from ops.loaded_files where business_date = %s and dataset = %s", (day, dataset))
        connection.execute("delete from ops.loaded_dates where business_date = %s and dataset = %s", (day, dataset))
        seen: pl.DataFrame | None = None
        for file in files:
            parsed = landing.read_landed_file(file)
            fresh = parsed.accepted
            if seen is not None:  # rows whose key stood in an earlier file of the date
                fresh = fresh.join(seen, on=list(contract.key), how="anti", nulls_equal=True, maintain_order="left")
            keys = fresh.select(contract.key)
            seen = keys if seen is None else pl.concat([seen, keys])
            duplicates = parsed.duplicates + len(parsed.accepted) - len(fresh)
            _copy(
                connection,
                partition,
                ["business_date", "key", *fresh.columns],
                fresh.select(pl.lit(day).alias("business_date"), pl.lit(file.key).alias("key"), pl.all()),
            )
            rejected = parsed.rejected.select(
                pl.lit(day).alias("business_date"), pl.lit(dataset).alias("dataset"), pl.lit(file.key).alias("key"), pl.all()
            ).with_columns(pl.col("original").str.replace_all("\0", "\\u0000", literal=True))
            _copy(connection, sql.Identifier("raw", "rejected_rows"), rejected.columns, rejected)
            connection.execute(
                "with file as ("
                " insert into ops.loaded_files"
                " (key, etag, source, dataset, business_date, bytes, rows_read, accepted, rejected, duplicates)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning *"
                ") insert into ops.loaded_dates (dataset, business_date, key, source, file_id, rows)"
                " select dataset, business_date, key, source, file_id, accepted from file",
                (
                    file.key, file.etag, dataset, dataset, day,
                    file.bytes, parsed.rows_read, len(fresh), len(parsed.rejected), duplicates,
                ),
            )  # fmt: skip
            report.files += 1
            report.rows_read += parsed.rows_read
            report.accepted += len(fresh)
            report.rejected += len(parsed.rejected)
            report.duplicates += duplicates


def _copy(connection: psycopg.Connection, table: sql.Composable, columns: list[str], frame: pl.DataFrame) -> None:
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    with connection.cursor().copy(statement) as copy:
        copy.write(buffer.getbuffer())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    log.info("ingest done", **vars(ingest(parser.parse_args().date)))


if __name__ == "__main__":
    main()
