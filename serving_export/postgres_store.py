"""Builds in PostgreSQL: the tables of `cartwheel/sql/30_serving.sql`, one partition of `lists` per build."""

import io
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import polars as pl
import psycopg
import structlog
from psycopg import sql
from psycopg.rows import dict_row

from cartwheel import warehouse
from cartwheel.contracts import LISTS
from serving_export.content import LIST_COLUMNS, SEGMENT_COLUMNS, Checksum, Content, checksum, entries
from serving_export.packing import Item

log = structlog.get_logger()

SCHEMA = "serving"
ROWS_PER_CHUNK = 200_000
DROP_WAIT = "2s"  # dropping a partition waits for readers, and newer readers wait behind it
_TEXT, _RANKED = pl.String, {"rank": pl.Int32, "item_id": pl.String, "score": pl.Float32, "reason": pl.String}
COLUMNS: dict[str, dict] = {
    "lists": {"user_id": _TEXT, "list": _TEXT} | _RANKED,
    "segment_lists": {"segment": _TEXT} | _RANKED,
    "segment_members": {"user_id": _TEXT, "segment": _TEXT},
    "items": {"item_id": _TEXT, "title": _TEXT},
}


class PostgresStore:
    """See `store.Store`. `session` opens a connection for one transaction: the warehouse's by default."""

    name = "postgresql"

    def __init__(
        self, session: Callable[[], AbstractContextManager[psycopg.Connection]] = warehouse.connect, schema: str = SCHEMA
    ) -> None:
        self.session, self.schema = session, schema

    def load(self, build: str, content: Content) -> None:
        """Needs the build's row in `builds`, which `catalog` makes. One transaction: all of it is there, or nothing."""
        self.remove(build)
        started, partition = time.monotonic(), _partition(build)
        frames = {
            partition: content.lists.select(list(COLUMNS["lists"])),
            "segment_lists": content.segments,
            "segment_members": content.members,
            "items": content.titles,
        }
        with self.session() as connection:
            connection.execute(self._sql("create table {0}.{1} (like {0}.lists including all)", partition))
            for table, frame in frames.items():
                self._copy(connection, table, build, frame)
            connection.execute(self._sql("create unique index on {0}.{1} (user_id, list, rank)", partition))
            attach = "alter table {0}.lists attach partition {0}.{1} for values in ({build})"
            connection.execute(self._sql(attach, partition, build))
        with self.session() as connection:
            connection.execute(self._sql("analyze {0}.{1}", partition))
        seconds = time.monotonic() - started
        log.info("loaded", store=self.name, build=build, rows=len(content.lists), rows_per_s=round(len(content.lists) / seconds))

    def _copy(self, connection: psycopg.Connection, table: str, build: str, frame: pl.DataFrame) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, ["build_id", *frame.columns]))
        statement = sql.SQL("copy {}.{} ({}) from stdin (format csv)").format(
            sql.Identifier(self.schema), sql.Identifier(table), names
        )
        with connection.cursor().copy(statement) as copy:
            for part in frame.iter_slices(ROWS_PER_CHUNK):
                rows = part.select(pl.lit(build).alias("build_id"), pl.all())
                copy.write(rows.write_csv(include_header=False, quote_style="non_numeric").encode())

    def read(self, build: str) -> Content:
        """All of a build, as it was loaded."""
        with self.session() as connection:
            frames = [self._read(connection, table, build) for table in COLUMNS]
        lists, segments, members, titles = frames
        return Content(
            lists.select(LIST_COLUMNS).sort("user_id", "list", "rank"),
            segments.select(SEGMENT_COLUMNS).sort("segment", "rank"),
            members.sort("user_id"),
            titles.sort("item_id"),
        )

    def _read(self, connection: psycopg.Connection, table: str, build: str) -> pl.DataFrame:
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
        statement = sql.SQL("copy (select {} from {}.{} where build_id = {}) to stdout (format csv)").format(
            names, sql.Identifier(self.schema), sql.Identifier(table), sql.Literal(build)
        )
        buffer = io.BytesIO()
        with connection.cursor().copy(statement) as copy:
            for part in copy:
                buffer.write(part)
        if not buffer.tell():
            return pl.DataFrame(schema=COLUMNS[table])
        buffer.seek(0)
        return pl.read_csv(buffer, has_header=False, schema=COLUMNS[table])

    def checksum(self, build: str) -> Checksum:
        return checksum(entries(self.read(build)))

    def builds(self) -> set[str]:
        """By the catalogue: partitions cannot be without their row there, as both go in one transaction."""
        with self.session() as connection:
            return {build for (build,) in connection.execute(self._sql("select build_id from {0}.builds"))}

    def remove(self, build: str) -> None:
        with self.session() as connection:
            connection.execute(f"set local lock_timeout = '{DROP_WAIT}'")
            connection.execute(self._sql("drop table if exists {0}.{1}", _partition(build)))
            for table in ("segment_lists", "segment_members", "items"):
                connection.execute(self._sql("delete from {0}.{1} where build_id = {build}", table, build))

    def current(self) -> str | None:
        rows = self._query("select build_id from {schema}.pointer")
        return rows[0][0] if rows else None

    def user_list(self, build: str, user_id: str, name: str) -> list[Item] | None:
        rows = self._query(
            "select item_id, score::double precision, reason from {schema}.lists"
            " where build_id = {build} and user_id = %s and list = %s order by rank",
            (user_id, name), build,
        )  # fmt: skip
        if rows:
            return [Item(*row) for row in rows]
        known = "select 1 from {schema}.lists where build_id = {build} and user_id = %s and list = any(%s) limit 1"
        return [] if self._query(known, (user_id, list(LISTS)), build) else None

    def member_segment(self, build: str, user_id: str) -> str | None:
        query = "select segment from {schema}.segment_members where build_id = {build} and user_id = %s"
        rows = self._query(query, (user_id,), build)
        return rows[0][0] if rows else None

    def segment_list(self, build: str, segment: str) -> list[Item] | None:
        rows = self._query(
            "select item_id, score::double precision, reason from {schema}.segment_lists"
            " where build_id = {build} and segment = %s order by rank",
            (segment,), build,
        )  # fmt: skip
        return [Item(*row) for row in rows] or None

    def titles(self, build: str, item_ids: list[str]) -> dict[str, str]:
        query = "select item_id, title from {schema}.items where build_id = {build} and item_id = any(%s)"
        return dict(self._query(query, (item_ids,), build))

    def releases(self) -> list[dict[str, Any]]:
        """The view `releases`: one row per loaded release, latest first."""
        statement = self._sql("select * from {0}.releases order by partition_date desc")
        with self.session() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()

    def _query(self, query: str, parameters: tuple = (), build: str = "") -> list[tuple]:
        # The build stands in the statement as a literal, so that the planner looks at its partition alone.
        statement = sql.SQL(query).format(schema=sql.Identifier(self.schema), build=sql.Literal(build))
        with self.session() as connection:
            return connection.execute(statement, parameters).fetchall()

    def _sql(self, text: str, table: str = "", build: str = "") -> sql.Composed:
        return sql.SQL(text).format(sql.Identifier(self.schema), sql.Identifier(table or "lists"), build=sql.Literal(build))


def _partition(build: str) -> str:
    return "lists_" + re.sub(r"\W", "_", build)
