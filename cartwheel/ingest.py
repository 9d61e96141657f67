"""Load the landing zone into `raw`, a file at a time.

    python -m cartwheel.ingest --date 2017-11-30            what has landed and is not loaded yet
    python -m cartwheel.ingest --date 2017-11-30 --again    all of it again, after the shop's mapping has changed

Reads every file that a source of the shop's mapping matches, of a date up to the given one or dated row by row, and
whose key and ETag are not loaded yet. Writes `raw.*` and its accounts in `ops.loaded_files` and `ops.loaded_dates`,
all of a file in one transaction: killed at any point, it can be run again. A file that cannot be read is noted with
its error, and the gate on `raw` names it. One ingest at a time: a second one waits.
"""

import argparse
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import psycopg
import structlog

from cartwheel import landing, warehouse
from cartwheel.contracts import parse_partition_key
from cartwheel.privacy.suppression import Suppression
from cartwheel.raw_tables import LOAD_AGAIN, FileLoad
from cartwheel.shop.mapping import API_SOURCE, Mapping, load_mapping

log = structlog.get_logger()
T = TypeVar("T")

CHUNKS_AHEAD = 2
SECONDS_BETWEEN_LOGS = 5


class NothingLandedError(FileNotFoundError):
    """No interactions have landed for the business date."""


@dataclass
class IngestReport:
    """What one run did. `unreadable` counts files, the rest of the second half rows."""

    dates: int = 0
    files: int = 0
    unreadable: int = 0
    rows_read: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    filtered: int = 0


def ingest(day: date, again: bool = False) -> IngestReport:
    """Load what has landed up to `day` and is not loaded yet; with `again`, also what is.

    Raises:
        NothingLandedError: there are no interactions for `day` itself.
        cartwheel.shop.mapping.MappingError: the shop's mapping has mistakes.
    """
    mapping = load_mapping()
    name = f"cartwheel ingest, process {os.getpid()}"
    with warehouse.connect(application_name=name, autocommit=True) as connection, only_one(connection):
        files = landing.list_landed_files()
        dates = interaction_dates(mapping, files)
        if day not in dates and None not in dates:
            raise NothingLandedError(f"no interactions have landed for {day}: expected {expected_files(mapping, day)}")
        report = Run(connection, mapping, day).load(files, again)
        if day not in dates and not has_rows(connection, day):
            raise NothingLandedError(f"none of the interactions that have landed are of {day}")
    return report


def interaction_dates(mapping: Mapping, files: list[landing.LandedFile]) -> set[date | None]:
    """The dates of the interactions files; None for those dated row by row."""
    reads = ((source, file.key) for file in files for source in mapping.sources_of(file.key))
    return {source.file_date(key) for source, key in reads if source.contract.name == "interactions"}


def expected_files(mapping: Mapping, day: date) -> str:
    globs = [glob for source in mapping.sources if source.contract.name == "interactions" for glob in source.spec.files]
    return f"interactions/{day}.csv.gz or the like" if mapping.name == "built-in" else " or ".join(globs)


def has_rows(connection: psycopg.Connection, day: date) -> bool:
    query = "select from ops.loaded_dates where dataset = 'interactions' and business_date = %s and rows > 0"
    return connection.execute(query, (day,)).fetchone() is not None


def check_delivery(day: date) -> None:
    """Whether the shop's own interactions of a day are loaded.

    What the API recorded is no delivery: people are shown lists on any day. Unless it is all that there has been for a week.

    Raises:
        NothingLandedError: they are not.
    """
    query = """
        select coalesce(bool_or(business_date = %(day)s), false), count(*) from (
            select dataset, business_date, source from ops.loaded_dates where rows > 0
            union all
            select dataset, business_date, source from ops.loaded_files -- of one without a good row the gate says what is wrong
        ) as deliveries
        where dataset = 'interactions' and business_date between %(week_before)s and %(day)s and source <> %(api)s
    """
    with warehouse.connect() as connection:
        given = {"day": day, "week_before": day - timedelta(days=7), "api": API_SOURCE}
        ((delivered, lately),) = connection.execute(query, given).fetchall()
    if lately and not delivered:
        raise NothingLandedError(
            f"of {day}, nothing has landed but what the API recorded: expected {expected_files(load_mapping(), day)}"
        )


class Run:
    """One run: which files it loads, what it has done, how long the rest takes."""

    def __init__(self, connection: psycopg.Connection, mapping: Mapping, day: date) -> None:
        self.connection, self.mapping, self.day = connection, mapping, day
        self.report, self.dates = IngestReport(), set[date]()
        self.erased = Suppression.load(connection)
        self.started = self.logged = time.monotonic()

    def load(self, files: list[landing.LandedFile], again: bool) -> IngestReport:
        """Load the files that are to be loaded, and then those that others have made to be loaded again."""
        work = [file for file in files if self.is_due(file)] if again else self.not_loaded(files)
        while work:
            for done, file in enumerate(work, start=1):
                self.load_file(file)
                self.tell(done, work)
            work = self.to_load_again(files)
        self.report.dates = len(self.dates)
        return self.report

    def is_due(self, file: landing.LandedFile) -> bool:
        """Whether a source reads the file, and for a date that has come."""
        dates = [source.file_date(file.key) for source in self.mapping.sources_of(file.key)]
        return bool(dates) and all(day is None or day <= self.day for day in dates)

    def not_loaded(self, files: list[landing.LandedFile]) -> list[landing.LandedFile]:
        """Files of which a source has not read this version, or could not."""
        known = self.connection.execute("select key, source, etag from ops.loaded_files where error is null").fetchall()
        loaded = {(key, source): etag for key, source, etag in known}
        return [
            file
            for file in files
            if self.is_due(file) and any(loaded.get((file.key, s.name)) != file.etag for s in self.mapping.sources_of(file.key))
        ]

    def to_load_again(self, files: list[landing.LandedFile]) -> list[landing.LandedFile]:
        marked = self.connection.execute("select distinct key from ops.loaded_files where etag = %s", (LOAD_AGAIN,)).fetchall()
        landed = {file.key: file for file in files if self.mapping.sources_of(file.key)}
        gone = sorted(key for (key,) in marked if key not in landed)
        if gone:
            log.warning("files to be loaded again are no longer in the landing zone", files=gone[:10], count=len(gone))
        return [landed[key] for (key,) in sorted(marked) if key in landed]

    def load_file(self, listed: landing.LandedFile) -> None:
        """Replace one file's rows by what it holds now, in one transaction."""
        sources = self.mapping.sources_of(listed.key)
        with landing.fetched(listed.key) as (file, path), self.connection.transaction():
            load, errors, now = FileLoad(self.connection, file), dict[str, str](), datetime.now(UTC)
            load.forget()
            for source in sources:
                try:
                    with (
                        self.connection.transaction(),
                        ahead(landing.read_outcomes(path, file.key, source, now, self.erased)) as outcomes,
                    ):
                        for outcome in outcomes:
                            load.add(source, outcome)
                        load.finish(source)
                except landing.BadFileError as error:
                    errors[source.name] = str(error)
                    load.drop(source)
                    log.warning("unreadable file", key=file.key, source=source.name, error=str(error))
            load.close(sources, errors)
        self.report.files += 1
        self.report.unreadable += bool(errors)
        for total in load.totals.values():
            for outcome_name, rows in total.items():
                setattr(self.report, outcome_name, getattr(self.report, outcome_name) + rows)
                self.report.rows_read += rows * (outcome_name != "filtered")
        self.dates |= {day for _, _, day in load.rows}

    def tell(self, done: int, work: list[landing.LandedFile]) -> None:
        """Log what is done and what remains, now and then and at the end."""
        now = time.monotonic()
        if now - self.logged < SECONDS_BETWEEN_LOGS and done < len(work):
            return
        self.logged, elapsed = now, now - self.started
        loaded, total = sum(file.bytes for file in work[:done]), sum(file.bytes for file in work)
        log.info(
            "ingest", file=work[done - 1].key, files=f"{done}/{len(work)}", rows=self.report.rows_read,
            rows_per_s=round(self.report.rows_read / elapsed), remaining_s=round(elapsed * (total - loaded) / max(loaded, 1)),
        )  # fmt: skip


@contextmanager
def only_one(connection: psycopg.Connection) -> Iterator[None]:
    """Hold the lock that one ingest at a time has. Waits for the one that has it, and says who that is."""
    if connection.execute("select pg_try_advisory_lock(hashtext('cartwheel.ingest'))").fetchone() != (True,):
        holder = connection.execute(
            "select application_name, pg_stat_activity.pid, backend_start from pg_locks"
            " inner join pg_stat_activity using (pid)"
            " where locktype = 'advisory' and granted"
            " and objid = (hashtext('cartwheel.ingest')::bigint & 4294967295)::oid"
        ).fetchone()
        who, pid, since = holder or ("one that has just ended", None, None)
        log.warning("another ingest is running: waiting for it", holder=who, backend_pid=pid, since=str(since))
        connection.execute("select pg_advisory_lock(hashtext('cartwheel.ingest'))")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(hashtext('cartwheel.ingest'))")


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """The items, worked out in a thread some steps ahead of their use. What goes wrong there is raised here."""
    results: queue.Queue = queue.Queue(CHUNKS_AHEAD)
    unwanted = threading.Event()

    def put(result: tuple) -> None:
        while not unwanted.is_set():
            try:
                return results.put(result, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if unwanted.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # raised again by whoever takes it
            put((None, error))

    def taken() -> Iterator[T]:
        while True:
            item, error = results.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item

    thread = threading.Thread(target=work, name="ingest ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        unwanted.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    parser.add_argument("--again", action="store_true", help="load everything again, after the mapping has changed")
    arguments = parser.parse_args()
    log.info("ingest done", **vars(ingest(arguments.date, arguments.again)))


if __name__ == "__main__":
    main()
