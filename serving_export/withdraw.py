"""Take users out of releases that are loaded: because they were erased, or because they withdrew their consent.

A build's counts and checksum follow, so that both stores still agree with `serving.builds` and with the lake. Redis goes
first: what a run that was cut off has left in PostgreSQL tells the next one what to remove from both.
"""

from collections.abc import Iterable

import polars as pl
import psycopg
import structlog
from psycopg import sql

from cartwheel.contracts import LISTS
from cartwheel.privacy.person import Person, Places
from cartwheel.settings import get_settings
from serving_export.catalog import Build
from serving_export.content import LIST_COLUMNS, SEGMENT_COLUMNS, Content, checksum, entries
from serving_export.postgres_store import COLUMNS, PostgresStore
from serving_export.redis_store import RedisStore
from serving_export.release import Releases

log = structlog.get_logger()

LOCK_WAIT_S = 300.0
OF_USERS = (*LISTS, "member")  # kinds of entries whose name ends with a user's id
LISTS_OF = """
    select user_id, list, rank, item_id, score, reason from {schema}.lists
    where build_id = {build} and user_id = any(%s) order by user_id, list, rank
"""
MEMBERS = "select user_id, segment from {schema}.segment_members where build_id = {build} and user_id = any(%s)"
TITLES = "select item_id, title from {schema}.items where build_id = {build} and item_id = any(%s)"
SHOWN_TO_OTHERS = """
    select item_id from {schema}.lists where build_id = {build} and user_id <> all(%s)
    union
    select item_id from {schema}.segment_lists where build_id = {build}
"""


class StoresEraser:
    """The person in the releases of both stores: see `cartwheel.privacy.person.Eraser`. The API keeps nothing itself."""

    def find(self, person: Person) -> Places:
        """Keys in Redis. The tables of PostgreSQL are searched with all others."""
        entries_left = RedisStore(get_settings().redis_url).entries_of(person.user_id, OF_USERS)
        return {"redis": entries_left} if entries_left else {}

    def erase(self, person: Person) -> Places:
        from serving_export.publish import releases

        target = releases()
        with target.catalog.lock(LOCK_WAIT_S):
            return withdraw(target, [person.user_id])


def withdraw(target: Releases, users: Iterable[str]) -> Places:
    """Remove users from every build in both stores; callers hold `catalog.lock`. Rows and keys removed, by store."""
    wanted, places = sorted(set(users)), Places()
    for build in target.catalog.builds() if wanted else []:
        keys, rows = _withdraw_from(target.postgres, target.redis, build, wanted)
        for store, count in ((target.postgres, rows), (target.redis, keys)):
            if count:
                places[store.name] = places.get(store.name, 0) + count
        if keys or rows:
            log.info("withdrawn", build=build.build_id, users=len(wanted), rows=rows, keys=keys)
    return places


def _withdraw_from(postgres: PostgresStore, redis: RedisStore, build: Build, users: list[str]) -> tuple[int, int]:
    with postgres.session() as connection:
        gone = _content_of(postgres, connection, build.build_id, users)
        of_users = [f"{kind}:{user}" for user in users for kind in OF_USERS]
        keys = redis.remove_entries(build.build_id, [*of_users, *(f"title:{item}" for item in gone.titles["item_id"])])
        for table, column, values in (
            ("lists", "user_id", users),
            ("segment_members", "user_id", users),
            ("items", "item_id", gone.titles["item_id"].to_list()),
        ):
            statement = "delete from {schema}.{table} where build_id = {build} and {column} = any(%s)"
            connection.execute(_sql(postgres, statement, build.build_id, table, column), (values,))
        _correct(postgres, connection, build.build_id, gone)
    return keys, len(gone.lists) + len(gone.members)


def _content_of(postgres: PostgresStore, connection: psycopg.Connection, build: str, users: list[str]) -> Content:
    """What a build holds for these users alone, with the titles that nobody else's list shows."""

    def read(query: str, schema: dict, values: list) -> pl.DataFrame:
        return pl.DataFrame(connection.execute(_sql(postgres, query, build), (values,)).fetchall(), schema=schema, orient="row")

    lists = read(LISTS_OF, {name: COLUMNS["lists"][name] for name in LIST_COLUMNS}, users)
    members = read(MEMBERS, COLUMNS["segment_members"], users)
    candidates = read(TITLES, COLUMNS["items"], lists["item_id"].unique().to_list())
    others = read(SHOWN_TO_OTHERS, {"item_id": pl.String}, users)
    titles = candidates.join(others, on="item_id", how="anti")
    return Content(lists, pl.DataFrame(schema=COLUMNS["segment_lists"]).select(SEGMENT_COLUMNS), members, titles)


def _correct(postgres: PostgresStore, connection: psycopg.Connection, build: str, gone: Content) -> None:
    """The build's row says what is left of it; one that was not verified yet says nothing."""
    select = "select checksum from {schema}.builds where build_id = {build} for update"
    row = connection.execute(_sql(postgres, select, build)).fetchone()
    if row is None or row[0] is None:
        return
    left = (int(row[0], 16) - int(checksum(entries(gone)).digest, 16)) % 2**128  # the sum without their entries
    update = "update {schema}.builds set users = users - %s, rows = rows - %s, checksum = %s where build_id = {build}"
    counts = (gone.lists["user_id"].n_unique(), len(gone.lists), f"{left:032x}")
    connection.execute(_sql(postgres, update, build), counts)


def _sql(postgres: PostgresStore, text: str, build: str, table: str = "lists", column: str = "user_id") -> sql.Composed:
    return sql.SQL(text).format(
        schema=sql.Identifier(postgres.schema), build=sql.Literal(build),
        table=sql.Identifier(table), column=sql.Identifier(column),
    )  # fmt: skip
