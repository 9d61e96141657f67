"""One landed file's rows in the raw tables and the accounts of `ops`, within the caller's transaction.

A row's key is accepted once: an event's id over all dates, the key of any other contract within its business date. In
a file the first row counts; of several files the one of the lowest business date, then of the lowest key, whichever
was loaded first. So a file may take rows over from another, which stand in `raw.duplicate_rows` from then on; and a
file that no longer holds a row makes the files that have it as a duplicate to be loaded again.
"""

from collections import Counter
from datetime import date

import polars as pl
import psycopg
from psycopg import sql

from cartwheel.contracts import LANDING_CONTRACTS, Contract
from cartwheel.copying import copy_rows
from cartwheel.event_ids import EventIds
from cartwheel.landing import LandedFile, Outcome
from cartwheel.shop.source import Source

LOAD_AGAIN = "to be loaded again"  # in place of an ETag


class FileLoad:
    """Replaces what an earlier load of the file left: `forget`, then for each source `add` and `finish`, then `close`."""

    def __init__(self, connection: psycopg.Connection, file: LandedFile) -> None:
        self.connection, self.file = connection, file
        self.rows: Counter[tuple[str, str, date]] = Counter()  # dataset, source, business date
        self.totals: dict[str, Counter[str]] = {}  # by source
        self._was_loaded = False
        self._ids = EventIds(connection, file.key)

    def forget(self) -> None:
        """Take out every row of the file. Its dates stay known, without rows, so that they are built again."""
        key = self.file.key
        held = self.connection.execute(
            "select dataset, source, business_date from ops.loaded_dates where key = %s", (key,)
        ).fetchall()
        for dataset in {dataset for dataset, _, _ in held}:
            days = [day for other, _, day in held if other == dataset]
            if dataset == "interactions":
                self.connection.execute(
                    "delete from raw.interaction_ids as ids using raw.interactions as rows"
                    " where rows.business_date = any(%s) and rows.key = %s and ids.event_id = rows.event_id and ids.key = %s",
                    (days, key, key),
                )
            self.connection.execute(
                sql.SQL("delete from {} where business_date = any(%s) and key = %s").format(sql.Identifier("raw", dataset)),
                (days, key),
            )
        for table in (("raw", "rejected_rows"), ("raw", "duplicate_rows"), ("ops", "loaded_dates")):
            self.connection.execute(sql.SQL("delete from {} where key = %s").format(sql.Identifier(*table)), (key,))
        self._was_loaded = self.connection.execute("delete from ops.loaded_files where key = %s", (key,)).rowcount > 0
        for place in held:
            self.rows[place] += 0

    def add(self, source: Source, outcome: Outcome) -> None:
        """Some rows of the file."""
        dataset = source.contract.name
        good = outcome.good
        total = self.totals.setdefault(source.name, Counter())
        total["filtered"] += outcome.filtered
        total["rejected"] += len(outcome.rejected)
        if len(outcome.rejected):
            rejected = outcome.rejected.select(
                "business_date",
                pl.lit(dataset).alias("dataset"),
                pl.lit(self.file.key).alias("key"),
                "line",
                "reason",
                pl.col("original").str.replace_all("\0", "\\x00", literal=True),
            )
            copy_rows(self.connection, sql.Identifier("raw", "rejected_rows"), rejected)
        if not len(good):
            return
        days = good["business_date"].unique().to_list()
        for day in days:
            ensure_partition(self.connection, dataset, day)
        if dataset == "interactions":
            duplicates = self._ids.claim(good)
            for key, day, count in self._ids.taken:
                self._account_for_lost(dataset, key, day, count)
            if duplicates:
                good = good.filter(~pl.col("line").is_in(duplicates))
                total["duplicates"] += len(duplicates)
        table = sql.Identifier("raw", dataset if len(days) > 1 else partition_name(dataset, days[0]))
        copy_rows(
            self.connection,
            table,
            good.select("business_date", pl.lit(self.file.key).alias("key"), "line", *source.contract.columns),
        )
        total["accepted"] += len(good)
        for day, count in good["business_date"].value_counts().rows():
            self.rows[dataset, source.name, day] += count

    def finish(self, source: Source) -> None:
        """After the last rows of the source."""
        if source.contract.name != "interactions":
            mine = (source.contract.name, source.name)
            for day in [day for dataset, name, day in self.rows if (dataset, name) == mine and self.rows[dataset, name, day]]:
                self._drop_duplicates(source, day)

    def drop(self, source: Source) -> None:
        """The source could not read on, and the caller has rolled back to before its first row."""
        self.totals.pop(source.name, None)
        for dataset, name, day in self.rows:
            if name == source.name:
                self.rows[dataset, name, day] = 0

    def close(self, sources: list[Source], errors: dict[str, str]) -> None:
        """Write the accounts, with an error for each source that could not read the file."""
        file, numbers = self.file, {}
        for source in sources:
            total, file_date = self.totals.get(source.name, Counter()), source.file_date(file.key)
            numbers[source.name] = self.connection.execute(
                "insert into ops.loaded_files (key, etag, source, dataset, business_date, bytes,"
                " rows_read, accepted, rejected, duplicates, filtered, error)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning file_id",
                (
                    file.key,
                    file.etag,
                    source.name,
                    source.contract.name,
                    file_date,
                    file.bytes,
                    total["accepted"] + total["rejected"] + total["duplicates"],
                    total["accepted"],
                    total["rejected"],
                    total["duplicates"],
                    total["filtered"],
                    errors.get(source.name),
                ),
            ).fetchone()[0]  # type: ignore[index]
            if file_date is not None:
                self.rows[source.contract.name, source.name, file_date] += 0
        newest = max(numbers.values())
        self.connection.cursor().executemany(
            "insert into ops.loaded_dates (dataset, source, business_date, key, file_id, rows) values (%s, %s, %s, %s, %s, %s)",
            [(*place, file.key, numbers.get(place[1], newest), count) for place, count in sorted(self.rows.items())],
        )
        self.connection.execute(
            "update ops.loaded_dates set file_id = %s where file_id = 0", (newest,)
        )  # dates that lost rows to this file
        if self._was_loaded:
            self._load_again_what_lost_its_first()

    def _drop_duplicates(self, source: Source, day: date) -> None:
        """Of rows with the same key within a date the first stays, the others become duplicates."""
        contract = source.contract
        lost = self.connection.execute(
            sql.SQL(
                "with ranked as ("
                " select ctid as place, key, line, {row_key} as row_key,"
                " first_value(key) over same as first_key, first_value(line) over same as first_line,"
                " row_number() over same as number"
                " from {table} where business_date = %s"
                ' window same as (partition by {columns} order by key collate "C", line, ctid)'
                "), gone as ("
                " delete from {table} as rows using ranked where ranked.number > 1 and rows.ctid = ranked.place"
                " returning ranked.key, ranked.line, ranked.row_key, ranked.first_key, ranked.first_line"
                "), noted as ("
                " insert into raw.duplicate_rows"
                " (business_date, dataset, key, line, row_key, first_business_date, first_key, first_line)"
                " select %s, %s, key, line, row_key, %s, first_key, first_line from gone"
                "), pointed as ("
                " update raw.duplicate_rows as later set first_key = gone.first_key, first_line = gone.first_line from gone"
                " where later.dataset = %s and later.business_date = %s and later.row_key = gone.row_key"
                ") select key, count(*) from gone group by key"
            ).format(
                row_key=row_key(contract),
                table=sql.Identifier("raw", partition_name(contract.name, day)),
                columns=sql.SQL(", ").join(map(sql.Identifier, contract.key)),
            ),
            (day, day, contract.name, day, contract.name, day),
        ).fetchall()
        for key, count in lost:
            if key == self.file.key:
                self.totals[source.name]["accepted"] -= count
                self.totals[source.name]["duplicates"] += count
                self.rows[contract.name, source.name, day] -= count
            else:
                self._account_for_lost(contract.name, key, day, count)

    def _account_for_lost(self, dataset: str, key: str, day: date, count: int) -> None:
        """Another file has lost so many rows of the date to this one."""
        run = self.connection.execute
        sources = run(
            "select source from ops.loaded_dates where dataset = %s and business_date = %s and key = %s order by source",
            (dataset, day, key),
        ).fetchall()
        run(
            "update ops.loaded_dates set rows = rows - %s, file_id = 0"
            " where dataset = %s and business_date = %s and key = %s and source = %s",
            (count, dataset, day, key, sources[0][0]),
        )
        run(
            "update ops.loaded_files set accepted = accepted - %s, duplicates = duplicates + %s where key = %s and source = %s",
            (count, count, key, sources[0][0]),
        )
        if len(sources) > 1:  # whose rows they were, only the file can tell
            run("update ops.loaded_files set etag = %s where key = %s", (LOAD_AGAIN, key))

    def _load_again_what_lost_its_first(self) -> None:
        """Other files' duplicates of rows that this file held: point to the first of now, or have the file loaded again."""
        key = self.file.key
        self.connection.execute(
            "update raw.duplicate_rows as later"
            " set first_business_date = ids.business_date, first_key = ids.key, first_line = ids.line"
            " from raw.interaction_ids as ids"
            " where later.first_key = %s and later.dataset = 'interactions' and ids.event_id = later.row_key"
            " and (ids.business_date, ids.key, ids.line) <> (later.first_business_date, later.first_key, later.first_line)",
            (key,),
        )
        lost = "select later.key from raw.duplicate_rows as later where later.first_key = %s and later.key <> %s"
        queries: list[sql.Composable] = [
            sql.SQL(
                lost + " and later.dataset = 'interactions'"
                " and not exists (select from raw.interaction_ids as ids where ids.event_id = later.row_key)"
            )
        ]
        for contract in LANDING_CONTRACTS.values():
            if contract.name != "interactions":
                queries.append(
                    sql.SQL(
                        lost + " and later.dataset = {dataset} and not exists (select from {table} as first"
                        " where first.business_date = later.first_business_date and first.key = later.first_key"
                        " and first.line = later.first_line and {row_key} = later.row_key)"
                    ).format(
                        dataset=sql.Literal(contract.name), table=sql.Identifier("raw", contract.name), row_key=row_key(contract)
                    )
                )
        for query in queries:
            self.connection.execute(
                sql.SQL("update ops.loaded_files set etag = %s where key in ({})").format(query), (LOAD_AGAIN, key, key)
            )


def partition_name(dataset: str, day: date) -> str:
    return f"{dataset}_{day:%Y%m%d}"


def row_key(contract: Contract) -> sql.Composable:
    """A row's key as one text: the column, or several as a JSON array."""
    columns = sql.SQL(", ").join(map(sql.Identifier, contract.key))
    return columns if len(contract.key) == 1 else sql.SQL("jsonb_build_array({})::text").format(columns)


def ensure_partition(connection: psycopg.Connection, dataset: str, day: date) -> None:
    """Make the date's partition if it is missing, without keeping readers of the others waiting."""
    name = sql.Identifier("raw", partition_name(dataset, day))
    if connection.execute("select to_regclass(%s)", (f"raw.{partition_name(dataset, day)}",)).fetchone() == (None,):
        table = sql.Identifier("raw", dataset)
        connection.execute(sql.SQL("create table {} (like {} including all)").format(name, table))
        connection.execute(sql.SQL("alter table {} attach partition {} for values in ({})").format(table, name, sql.Literal(day)))
