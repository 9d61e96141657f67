"""Export a built date from the warehouse to the lake.

Reads the marts and `intermediate.int_dates_to_build` (what the last dbt build covered). Writes `interactions`, one
partition per date that changed or is missing; `items`, `users`, `no_consent` and `item_context` as known at the end of
the date; and, last, `ops.built_dates`.

    python -m cartwheel.export --date 2017-11-30

Killed at any point, it can be run again. The lake knows users by `user_key` alone.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import structlog

from cartwheel import lake, warehouse
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import get_settings

log = structlog.get_logger()

# Ordered by id as bytes, so that the same rows give the same file on any server.
INTERACTIONS = """
    select event_id, event_type, user_key, item_id, event_ts, quantity, price, value, session_id, region, surface, device, rank
    from marts.fct_interactions
    where event_date = $1
    order by event_ts, event_id collate "C"
"""
SNAPSHOTS = {
    # Where the shop's hierarchy has fewer levels, the next one above stands in, so that items have a kind.
    "items": """
        select
            item_id, title, description, department,
            coalesce(category, department) as category,
            coalesce(subcategory, category, department) as subcategory,
            brand, price, available
        from marts.dim_items
        where valid_from <= $1 and (valid_to is null or valid_to > $1)
        order by item_id collate "C"
    """,
    "users": """
        select user_key, age_band, region, income_band, household_size
        from marts.dim_users
        where valid_from <= $1 and (valid_to is null or valid_to > $1) and consent
        order by user_key collate "C"
    """,
    "no_consent": """
        select user_key
        from marts.dim_users
        where valid_from <= $1 and (valid_to is null or valid_to > $1) and not consent
        order by user_key collate "C"
    """,
    # A promotion that was delivered again, say with another end, counts as last delivered. Only promotions that may run
    # on the date are read, and what landed after them.
    "item_context": """
        with running as materialized (
            select item_id, starts_on, ends_on, mailer, display, regions, landed_on
            from marts.fct_item_promotions
            where landed_on <= $1 and starts_on <= $1 and ends_on >= $1
        ),
        newer as (
            select item_id, starts_on, mailer, display, landed_on
            from marts.fct_item_promotions
            where landed_on <= $1 and landed_on > (select min(landed_on) from running)
        )
        select item_id, starts_on, ends_on, mailer, display, regions
        from running
        where not exists (
            select from newer
            where newer.landed_on > running.landed_on
                and newer.item_id = running.item_id and newer.starts_on = running.starts_on
                and newer.mailer is not distinct from running.mailer
                and newer.display is not distinct from running.display
        )
        order by item_id collate "C", mailer collate "C", display collate "C", regions, starts_on, ends_on
    """,
}


class NotBuiltError(LookupError):
    """The marts do not hold the date: dbt has not built it yet."""


def export(day: date) -> None:
    """Bring the lake up to date for `day`, then note the dates as built.

    Raises:
        NotBuiltError: `day` has not been built by dbt.
    """
    built = pending(day)
    with _reader() as cursor:
        export_interactions(cursor, sorted({day} | built.keys() | missing_dates(day)))
        _export_snapshots(cursor, day)
    mark_built(built)


def export_snapshots(day: date) -> None:
    """Write the datasets of `SNAPSHOTS` as they were known at the end of an earlier date that is built.

    Raises:
        NotBuiltError: the warehouse does not reach that date yet.
    """
    with warehouse.connect() as connection:
        reached = connection.execute("select %s <= max(event_date) from marts.daily_kpis", (day,)).fetchone()
    if not (reached and reached[0]):
        raise NotBuiltError(f"the warehouse does not reach {day} yet: run build_warehouse for it first")
    with _reader() as cursor:
        _export_snapshots(cursor, day)


def pending(day: date) -> dict[date, int]:
    """The dates that the dbt build of `day` covered, each with the last file it saw.

    Files that were loaded since then have a higher id, so that their dates stay pending.

    Raises:
        NotBuiltError: `day` is neither part of the last build nor built before.
    """
    with warehouse.connect() as connection:
        covered = connection.execute(
            "select business_date, last_file_id from intermediate.int_dates_to_build where partition_date = %s", (day,)
        ).fetchall()
        known = connection.execute("select from ops.built_dates where business_date = %s", (day,)).fetchone()
    if not covered and known is None:
        raise NotBuiltError(f"dbt has not built {day} yet: run `dbt build` with partition_date {day} first")
    return dict(covered)


def missing_dates(day: date) -> set[date]:
    """Dates up to `day` with events in the warehouse that have no complete partition in the lake."""
    with warehouse.connect() as connection:
        rows = connection.execute("select event_date from marts.daily_kpis where event_date <= %s", (day,)).fetchall()
    return {event_date for (event_date,) in rows} - set(lake.complete_dates("interactions"))


def export_interactions(cursor: adbc.Cursor, days: list[date]) -> None:
    """Write the events of each date to the lake, one partition a date."""
    started, rows = time.monotonic(), 0
    for done, day in enumerate(days, start=1):
        table = _query(cursor, INTERACTIONS, day)
        lake.write("interactions", day, table)
        rows += len(table)
        if done % 25 == 0 or done == len(days):
            elapsed = time.monotonic() - started
            log.info(
                "export interactions", until=str(day), dates=f"{done}/{len(days)}", rows=rows,
                rows_per_s=round(rows / elapsed), remaining_s=round(elapsed / done * (len(days) - done)),
            )  # fmt: skip


def mark_built(dates: dict[date, int]) -> None:
    """Note for each date the last file that its marts and its export hold."""
    with warehouse.connect() as connection:
        connection.cursor().executemany(
            "insert into ops.built_dates (business_date, last_file_id) values (%s, %s)"
            " on conflict (business_date) do update set last_file_id = excluded.last_file_id, built_at = now()",
            sorted(dates.items()),
        )


def _export_snapshots(cursor: adbc.Cursor, day: date) -> None:
    for dataset, query in SNAPSHOTS.items():
        table = _query(cursor, query, day)
        lake.write(dataset, day, table)
        log.info("export snapshot", dataset=dataset, date=str(day), rows=len(table))


@contextmanager
def _reader() -> Iterator[adbc.Cursor]:
    """A cursor that answers in Arrow; all its queries see the same state of the database."""
    with adbc.connect(get_settings().postgres_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        yield cursor


def _query(cursor: adbc.Cursor, query: str, day: date) -> pa.Table:
    cursor.execute(query, (day,))
    return cursor.fetch_arrow_table()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    parser.add_argument("--snapshots-only", action="store_true", help="all but interactions, as known at the end of that date")
    arguments = parser.parse_args()
    (export_snapshots if arguments.snapshots_only else export)(arguments.date)


if __name__ == "__main__":
    main()
