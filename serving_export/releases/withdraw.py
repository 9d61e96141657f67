"""Take users out of releases that are loaded: because they were erased, or because they withdrew their consent.

A build's counts and checksum follow, so that both stores still agree with `serving.builds` and with the lake. Redis goes
first: what a run that was cut off has left in PostgreSQL tells the next one what to remove from both.
"""

from collections.abc import Iterable

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from psycopg import sql

from cartwheel.contracts import LISTS
from cartwheel.privacy.person import Person, Places
from cartwheel.settings import get_settings
from serving_export.releases.catalog import Build
from serving_export.releases.content import SCHEMAS, Part, measure
from serving_export.releases.postgres_store import TABLES, PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases, releases

log = structlog.get_logger()

USERS_AT_ONCE = 1000  # so that neither store is held up for long
OF_USERS = (*LISTS, "member")  # kinds of entries whose name ends with a user's id
ROWS_OF_USERS = "select {columns} from {schema}.{table} where build_id = {build} and user_id = any(%s)"
TITLES = "select item_id, title from {schema}.items where build_id = {build} and item_id = any(%s)"
BESIDE = "select {columns} from {schema}.{table} where build_id = {build} and name = any(%s)"
SHOWN_TO_OTHERS = """
    select unnest(item_ids) from {schema}.user_lists where build_id = {build} and user_id <> all(%s)
    union
    select unnest(item_ids) from {schema}.segment_lists where build_id = {build}
"""


class StoresEraser:
    """The person in the releases of both stores: see `cartwheel.privacy.person.Eraser`."""

    def find(self, person: Person) -> Places:
        """Keys in Redis. The tables of PostgreSQL are searched with all others."""
        entries_left = RedisStore(get_settings().redis_url).entries_of(person.user_id, OF_USERS)
        return {"redis": entries_left} if entries_left else {}

    def erase(self, person: Person) -> Places:
        target = releases()
        with target.catalog.lock():
            return withdraw(target, [person.user_id])


def withdraw(target: Releases, users: Iterable[str], builds: Iterable[Build] | None = None) -> Places:
    """Remove users from these builds, or all, in both stores; callers hold `catalog.lock`. Rows and keys removed, by store."""
    wanted, places = sorted(set(users)), Places()
    for build in target.catalog.builds() if builds is None else builds:
        for start in range(0, len(wanted), USERS_AT_ONCE):
            some = wanted[start : start + USERS_AT_ONCE]
            keys, rows = _withdraw_from(target.postgres, target.redis, build, some)
            for store, count in ((target.postgres, rows), (target.redis, keys)):
                if count:
                    places[store.name] = places.get(store.name, 0) + count
            if keys or rows:
                log.info("withdrawn", build=build.build_id, users=len(some), rows=rows, keys=keys)
    return places


def _withdraw_from(postgres: PostgresStore, redis: RedisStore, build: Build, users: list[str]) -> tuple[int, int]:
    with postgres.session() as connection:
        gone = _part_of(postgres, connection, build.build_id, users)
        titles = gone.titles["item_id"].to_pylist()
        of_users = [f"{kind}:{user}" for user in users for kind in OF_USERS]
        of_items = [f"title:{item}" for item in titles] + [f"{row['kind']}:{row['name']}" for row in gone.beside.to_pylist()]
        keys = redis.remove_entries(build.build_id, of_users + of_items)
        for table, column, values in (
            ("user_lists", "user_id", users),
            ("segment_members", "user_id", users),
            ("found_by", "user_id", users),
            ("items", "item_id", titles),
            ("beside", "name", titles),
        ):
            statement = "delete from {schema}.{table} where build_id = {build} and {columns} = any(%s)"
            connection.execute(_sql(postgres, statement, build.build_id, table, column), (values,))
        _correct(postgres, connection, build.build_id, gone)
    return keys, len(gone.lists) + len(gone.members)


def _part_of(postgres: PostgresStore, connection: psycopg.Connection, build: str, users: list[str]) -> Part:
    """What a build holds for these users alone, with all of the items that nobody else's list shows."""

    def read(name: str, query: str, values: list) -> pa.Table:
        schema = SCHEMAS[name]
        rows = connection.execute(_sql(postgres, query, build, TABLES[name], *schema.names), (values,)).fetchall()
        return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)

    lists, members = read("lists", ROWS_OF_USERS, users), read("members", ROWS_OF_USERS, users)
    shown = pc.unique(lists["item_ids"].combine_chunks().flatten()).to_pylist()
    others = {item for (item,) in connection.execute(_sql(postgres, SHOWN_TO_OTHERS, build), (users,))} if shown else set()
    alone = [item for item in shown if item not in others]
    return Part(lists, members=members, titles=read("titles", TITLES, alone), beside=read("beside", BESIDE, alone))


def _correct(postgres: PostgresStore, connection: psycopg.Connection, build: str, gone: Part) -> None:
    """The build's row says what is left of it; one that was not verified yet says nothing."""
    select = "select checksum from {schema}.builds where build_id = {build} for update"
    row = connection.execute(_sql(postgres, select, build)).fetchone()
    if row is None or row[0] is None:
        return
    users, rows, summed = measure([gone])
    left = (int(row[0], 16) - int(summed.digest, 16)) % 2**128  # the sum without their entries
    update = "update {schema}.builds set users = users - %s, rows = rows - %s, checksum = %s where build_id = {build}"
    connection.execute(_sql(postgres, update, build), (users, rows, f"{left:032x}"))


def _sql(postgres: PostgresStore, text: str, build: str, table: str = "user_lists", *columns: str) -> sql.Composed:
    return sql.SQL(text).format(
        schema=sql.Identifier(postgres.schema), build=sql.Literal(build), table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )  # fmt: skip
