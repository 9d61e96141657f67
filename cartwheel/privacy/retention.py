"""Drop what is past its age: raw events, and the lake's derived datasets.

    python -m cartwheel.privacy.retention --date 2017-11-30

Settings `raw_retention_days` and `lake_retention_days` (empty: never), counted back from the date. Writes
`ops.dropped_partitions`, one row per dataset and date. Killed at any point, it can be run again.
"""

import argparse
from datetime import date, timedelta

import psycopg
import structlog
from psycopg import sql

from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from cartwheel.settings import get_settings

log = structlog.get_logger()

# Users and items stay: the dimensions are made of all their versions. Old events are in the marts, by key.
RAW_DATASET = "interactions"
DERIVED = [name for name in LAKE_SCHEMAS if name.startswith(("features/", "candidates/")) or name in ("scores", "explanations")]
# They are for mending files, and these are old. A row whose date could not be read is as old as its file's last date.
REJECTED = """
    delete from raw.rejected_rows as rejected
    where coalesce(
        rejected.business_date,
        (select max(business_date) from ops.loaded_dates as dates where dates.key = rejected.key),
        (select max(loaded_at)::date from ops.loaded_files as files where files.key = rejected.key)
    ) < %(before)s
"""
LABEL_WINDOWS = 5  # training for a date reads the features of this many windows before it


def retain(day: date) -> int:
    """Drop what is past its age at the end of a date; the number of partitions dropped."""
    settings, dropped = get_settings(), 0
    if settings.raw_retention_days is not None:
        dropped += drop_raw(day, day - timedelta(days=settings.raw_retention_days))
    if settings.lake_retention_days is not None:
        days = max(settings.lake_retention_days, LABEL_WINDOWS * settings.label_window_days)
        dropped += drop_lake(day, day - timedelta(days=days))
    log.info("retention", date=str(day), partitions_dropped=dropped)
    return dropped


def drop_raw(day: date, before: date) -> int:
    """Drop the events of dates before `before` with their ids, and the rejected and duplicate rows of all datasets.

    Only what lies before the first date that waits to be built goes: the marts hold it, and that build may read all dates
    after its own. Events that arrive for a date dropped before go with the next run, unseen.
    """
    with warehouse.ingest_lock(), warehouse.connect() as connection:
        waiting = connection.execute("select min(business_date) from ops.pending_dates").fetchone()
        if waiting and waiting[0]:
            before = min(before, waiting[0])
        rows = connection.execute(
            """
            select distinct business_date
            from ops.loaded_dates
            where dataset = %(dataset)s and business_date < %(before)s
            and to_regclass(format('raw.%%I', %(dataset)s || '_' || to_char(business_date, 'YYYYMMDD'))) is not null
            order by business_date
            """,
            {"dataset": RAW_DATASET, "before": before},
        ).fetchall()
        dates = [business_date for (business_date,) in rows]
        connection.execute("delete from raw.duplicate_rows where business_date < %s", (before,))
        connection.execute(REJECTED, {"before": before})
        connection.commit()
        for business_date in dates:
            with connection.transaction():
                _drop_raw_date(connection, business_date, day)
        if dates:
            log.info("raw events dropped", dates=len(dates), first=str(dates[0]), last=str(dates[-1]))
    return len(dates)


def _drop_raw_date(connection: psycopg.Connection, business_date: date, run_date: date) -> None:
    partition = sql.Identifier("raw", f"{RAW_DATASET}_{business_date:%Y%m%d}")
    row = connection.execute(sql.SQL("select count(*) from {}").format(partition)).fetchone()
    connection.execute(sql.SQL("drop table {}").format(partition))
    connection.execute("delete from raw.interaction_ids where business_date = %s", (business_date,))
    connection.execute(
        "insert into ops.dropped_partitions (dataset, business_date, rows, run_date) values (%s, %s, %s, %s)"
        " on conflict (dataset, business_date) do update"
        " set rows = dropped_partitions.rows + excluded.rows, run_date = excluded.run_date, dropped_at = now()",
        (f"raw.{RAW_DATASET}", business_date, row and row[0], run_date),
    )


def drop_lake(day: date, before: date) -> int:
    """Drop features, candidates and scores of dates before `before`, but for dates whose releases are loaded.

    They can be built again from the lake's `interactions`, which stay.
    """
    with warehouse.connect() as connection:
        loaded = {each for (each,) in connection.execute("select partition_date from serving.builds")}
        dropped = [(dataset, each) for dataset in DERIVED for each in lake.dates(dataset) if each < before and each not in loaded]
        for dataset, each in dropped:
            lake.delete(dataset, each)
            connection.execute(
                "insert into ops.dropped_partitions (dataset, business_date, run_date) values (%s, %s, %s)"
                " on conflict (dataset, business_date) do update set run_date = excluded.run_date, dropped_at = now()",
                (f"lake {dataset}", each, day),
            )
            connection.commit()
    if dropped:
        log.info("lake partitions dropped", partitions=len(dropped), before=str(before))
    return len(dropped)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    retain(parser.parse_args().date)


if __name__ == "__main__":
    main()
