"""Builds in PostgreSQL: the tables of `cartwheel/sql/30_serving.sql`, one partition of `user_lists` per build.

A load sends the binary format of COPY, some users at a time, into a table that is not attached yet; its index is built
once, at the end.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import structlog
from psycopg import sql
from psycopg.rows import dict_row

from cartwheel import warehouse
from cartwheel.settings import get_settings
from serving_export.releases.binary_columns import ahead, buffer_of
from serving_export.releases.binary_copy import HEADER, TRAILER, binary_rows
from serving_export.releases.content import SCHEMAS, Checksum, Content, Part, checksum
from serving_export.releases.packing import Item
from serving_export.releases.store import OVER, layers_of

log = structlog.get_logger()

SCHEMA = "serving"
DROP_WAIT = "2s"  # dropping a partition waits for readers, and newer readers wait behind it
_ITEMS = "select item_ids, scores::double precision[], reasons"
TABLES = {"lists": "user_lists", "segments": "segment_lists", "members": "segment_members", "titles": "items", "beside": "beside"}


@dataclass(frozen=True)
class StoredContent:
    """A build as the store holds it, read anew each time it is gone through."""

    schema: str
    build: str

    def __iter__(self) -> Iterator[Part]:
        with adbc.connect(get_settings().postgres_dsn) as connection, connection.cursor() as cursor:
            for name, table in TABLES.items():
                columns = sql.SQL(", ").join(map(sql.Identifier, SCHEMAS[name].names))
                query = sql.SQL("select {} from {} where build_id = {}").format(
                    columns, sql.Identifier(self.schema, table), sql.Literal(self.build)
                )
                cursor.execute(query.as_string())
                for batch in cursor.fetch_record_batch():
                    yield Part(**{name: pa.Table.from_batches([batch]).cast(SCHEMAS[name])})


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
        started, rows, own = time.monotonic(), 0, partition(build)
        with self.session() as connection:
            # A list of 50 items with its reasons stays in its row as it is: compressing it would cost more than the COPY.
            # The check is what the partition will demand of its rows, so that attaching it need not read them again.
            layout = "create table {0}.{1} (like {0}.user_lists including all, check (build_id = {build})) with ({2})"
            connection.execute(self._sql(layout, own, build, "toast_tuple_target = 8160"))
            for lists, encoded in ahead(_encoded(build, content)):
                for name, data in encoded.items():
                    table, option = (own, ", freeze") if name == "lists" else (TABLES[name], "")
                    self._copy(connection, table, ["build_id", *SCHEMAS[name].names], data, option)
                rows += lists
                log.info(
                    "loading", store=self.name, build=build, lists=rows, lists_per_s=round(rows / (time.monotonic() - started))
                )
            connection.execute(self._sql("create unique index on {0}.{1} (user_id, list)", own))
            attach = "alter table {0}.user_lists attach partition {0}.{1} for values in ({build})"
            connection.execute(self._sql(attach, own, build))
        with self.session() as connection:
            connection.execute(self._sql("analyze {0}.{1} (user_id, list)", own))
        seconds = time.monotonic() - started
        log.info("loaded", store=self.name, build=build, lists=rows, lists_per_s=round(rows / seconds))

    def _copy(self, connection: psycopg.Connection, table: str, columns: list[str], rows: memoryview, option: str) -> None:
        """COPY into a table. `freeze`, for one that the same transaction made, spares its pages a second writing."""
        statement = sql.SQL("copy {} ({}) from stdin (format binary{})").format(
            sql.Identifier(self.schema, table), sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(option)
        )
        with connection.cursor().copy(statement) as copy:
            for each in (HEADER, rows, TRAILER):
                copy.write(each)

    def read(self, build: str) -> Content:
        """All of a build, as it was loaded."""
        return StoredContent(self.schema, build)

    def checksum(self, build: str, content: Content) -> Checksum:
        """Of all that is there, whatever `content` says."""
        return checksum(self.read(build))

    def builds(self) -> set[str]:
        """By the catalogue: partitions cannot be without their row there, as both go in one transaction."""
        with self.session() as connection:
            return {build for (build,) in connection.execute(self._sql("select build_id from {0}.builds"))}

    def remove(self, build: str) -> None:
        with self.session() as connection:
            connection.execute(f"set local lock_timeout = '{DROP_WAIT}'")
            connection.execute(self._sql("drop table if exists {0}.{1}", partition(build)))
            for table in ("segment_lists", "segment_members", "items", "beside", "found_by"):
                connection.execute(self._sql("delete from {0}.{1} where build_id = {build}", table, build))

    def current(self) -> str | None:
        ((pointer,),) = self._query("select string_agg(build_id, {over} order by depth) from {schema}.served_builds")
        return pointer

    def user_list(self, served: str, user_id: str, name: str) -> list[Item] | None:
        query = (
            _ITEMS + " from {schema}.user_lists where build_id in ({builds}) and user_id = %s and list = %s"
            " order by array_position(array[{builds}], build_id) limit 1"
        )
        return self._list(query, (user_id, name), served)

    def member_segment(self, served: str, user_id: str) -> str | None:
        query = "select segment from {schema}.segment_members where build_id = {base} and user_id = %s"
        rows = self._query(query, (user_id,), served)
        return rows[0][0] if rows else None

    def segment_list(self, served: str, segment: str) -> list[Item] | None:
        query = _ITEMS + " from {schema}.segment_lists where build_id = {base} and segment = %s"
        return self._list(query, (segment,), served)

    def _list(self, query: str, parameters: tuple, served: str) -> list[Item] | None:
        rows = self._query(query, parameters, served)
        return [Item(*item) for item in zip(*rows[0], strict=True)] if rows else None

    def titles(self, served: str, item_ids: list[str]) -> dict[str, str]:
        query = "select item_id, title from {schema}.items where build_id in ({builds}) and item_id = any(%s)"
        return dict(self._query(query, (item_ids,), served))

    def beside(self, served: str, kind: str, names: list[str]) -> dict[str, bytes]:
        query = "select name, payload from {schema}.beside where build_id = {base} and kind = %s and name = any(%s)"
        return dict(self._query(query, (kind, names), served))

    def releases(self) -> list[dict[str, Any]]:
        """The view `releases`: one row per loaded release, latest first."""
        statement = self._sql("select * from {0}.releases order by partition_date desc")
        with self.session() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement).fetchall()

    def _query(self, query: str, parameters: tuple = (), served: str = "") -> list[tuple]:
        # The builds stand in the statement as literals, so that the planner looks at their partitions alone.
        builds = [sql.Literal(build) for build in layers_of(served)]
        statement = sql.SQL(query).format(
            schema=sql.Identifier(self.schema), builds=sql.SQL(", ").join(builds), base=builds[-1], over=sql.Literal(OVER)
        )
        with self.session() as connection:
            return connection.execute(statement, parameters).fetchall()

    def _sql(self, text: str, table: str = "", build: str = "", options: str = "") -> sql.Composed:
        return sql.SQL(text).format(
            sql.Identifier(self.schema), sql.Identifier(table), sql.SQL(options), build=sql.Literal(build)
        )


def _encoded(build: str, content: Content) -> Iterator[tuple[int, dict[str, memoryview]]]:
    """Of each part the number of lists, and its rows by the names of `TABLES`, for COPY."""
    for part in content:
        tables = {name: getattr(part, name) for name in TABLES}
        rows = {name: table.add_column(0, "build_id", pa.repeat(build, len(table))) for name, table in tables.items()}
        yield len(part.lists), {name: buffer_of(binary_rows(table)) for name, table in rows.items() if len(table)}


def partition(build: str) -> str:
    """The table that holds the lists of a build."""
    return "user_lists_" + re.sub(r"\W", "_", build)
