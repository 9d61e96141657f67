"""A made-up shop with people in every place that can hold one, and a search of all of it that shares no code with ours.

The tables that dbt builds are stood in for by tables of the same kind.
"""

import io
import itertools
import json
import os
import random
import signal
from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import redis
from own_warehouse import SECRET
from psycopg import sql

from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS, LISTS
from cartwheel.privacy import erase
from cartwheel.privacy import lake as erase_lake
from cartwheel.privacy import warehouse as erase_warehouse
from cartwheel.settings import get_settings
from serving_export.releases import publish, withdraw
from serving_export.releases.found_by import load_found_by
from serving_export.releases.redis_store import RedisStore

FIRST, SECOND = date(1997, 5, 1), date(1997, 5, 2)
DATES = (FIRST, SECOND)
WILD = "abcXYZ019 -_.:,;\"'{}[]()%$\\/|äß漢字😀"


def make_ids(seed: int, size: int) -> list[str]:
    """Ids with any characters, long enough that none is found by chance; two that are but a number."""
    chance = random.Random(seed)
    wild = ["u" + "".join(chance.choices(WILD, k=14)) + str(n) for n in range(size - 2)]
    return [*wild, "7", "77"]


def key_of(user_id: str) -> str:
    return warehouse.user_key(SECRET.encode(), user_id)


def fill(users: list[str]) -> None:
    """Rows of every user in raw, marts, lake and stores, for two dates; both releases are loaded."""
    _fill_raw(users)
    _fill_marts(users)
    for day in DATES:
        for dataset in LAKE_SCHEMAS:
            lake.write(dataset, day, _lake_rows(dataset, users, day))
    for day in DATES:
        publish.publish(day)
        load_found_by(day)


def _fill_raw(users: list[str]) -> None:
    with warehouse.connect() as connection:
        for day in DATES:
            for dataset in ("interactions", "users"):
                connection.execute(f"create table raw.{dataset}_{day:%Y%m%d} partition of raw.{dataset} for values in ('{day}')")
                connection.execute(
                    "insert into ops.loaded_files"
                    " (key, etag, source, dataset, business_date, bytes, rows_read, accepted, rejected, duplicates)"
                    " values (%s, 'etag', %s, %s, %s, 1, %s, %s, %s, %s)",
                    (f"{dataset}/{day}.csv", dataset, dataset, day, 4 * len(users), 2 * len(users), len(users), len(users)),
                )
            for line, user in enumerate(users, start=1):
                for copy in ("a", "b"):
                    event, at = f"{copy} {day} of {user}", 2 * line + (copy == "b")
                    place = (day, f"interactions/{day}.csv", at)
                    connection.execute(
                        "insert into raw.interactions"
                        " (business_date, key, line, event_id, event_type, user_id, item_id, event_ts, context)"
                        " values (%s, %s, %s, %s, 'purchase', %s, '7', %s, %s)",
                        (*place, event, user, f"{day} 10:00+00", json.dumps({"who": user, "n": 7})),
                    )
                    connection.execute("insert into raw.interaction_ids values (%s, %s, %s, %s)", (event, *place))
                connection.execute(
                    "insert into raw.duplicate_rows values (%s, 'interactions', %s, %s, %s, %s, %s, %s)",
                    (day, f"interactions/again {day}.csv", line, event, *place),
                )
                connection.execute(
                    "insert into raw.users (business_date, key, line, user_id, age_band) values (%s, %s, %s, %s, '25-34')",
                    (day, f"users/{day}.csv", line, user),
                )
                quoted = user.replace('"', '""')
                originals = [f'e{line},purchase,"{quoted}",milk,x', json.dumps({"user_id": user, "event_type": "?"})]
                for n, original in enumerate(originals):
                    connection.execute(
                        "insert into raw.rejected_rows values (%s, 'interactions', %s, %s, 'bad', %s)",
                        (day, f"interactions/bad {day}.csv", 2 * line + n, original),
                    )
            connection.execute(
                "insert into ops.loaded_dates (dataset, business_date, key, source, file_id, rows)"
                " select dataset, business_date, key, source, file_id, accepted from ops.loaded_files where business_date = %s",
                (day,),
            )
        connection.execute(
            "insert into ops.built_dates (business_date, last_file_id)"
            " select business_date, max(file_id) from ops.loaded_files group by 1"
        )


def _fill_marts(users: list[str]) -> None:
    with warehouse.connect() as connection:
        connection.execute("create table intermediate.int_user_keys (user_id text, user_key text)")
        connection.execute("create table marts.fct_interactions (event_date date, user_key text, context jsonb)")
        connection.execute("create table marts.release_lists (release_id text, user_key text, item_id text)")
        connection.execute("create table marts.daily_kpis (event_date date, active_users bigint)")
        for user in users:
            connection.execute("insert into intermediate.int_user_keys values (%s, %s)", (user, key_of(user)))
            for day in DATES:
                connection.execute(
                    "insert into marts.fct_interactions values (%s, %s, %s)", (day, key_of(user), json.dumps({"who": user}))
                )
                connection.execute("insert into marts.release_lists values (%s, %s, '7')", (str(day), key_of(user)))


def _lake_rows(dataset: str, users: list[str], day: date) -> pa.Table:
    """Two rows a user where the dataset has users; a row otherwise. Every list of a release has two items."""
    schema = LAKE_SCHEMAS[dataset]
    if dataset == "no_consent":
        return schema.empty_table()
    if dataset == "items":
        return pa.Table.from_pylist([{"item_id": f"item {n}", "title": f"Item {n}"} for n in range(len(users) + 2)], schema)
    if dataset == "release_segments":
        return pa.Table.from_pylist([{"segment": "all", "rank": 1, "item_id": "item 0", "score": 1.0, "reason": "all"}], schema)
    if "user_key" not in schema.names:
        return pa.Table.from_pylist([dict.fromkeys(schema.names)], schema)
    warm = users[:-1] if dataset == "release" else users  # the last user has no lists, only a segment
    rows = [
        {"user_key": key_of(user), "item_id": f"item {n + rank}", "rank": rank, "score": 1 / rank, "list": name}
        | {"reason": f"of {day}", "model_version": "1", "item_ids": ["item 0", "7"], "moved_by": ["7"]}
        for n, user in enumerate(warm)
        for name in (LISTS if dataset == "release" else LISTS[:1])
        for rank in (1, 2)
    ]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    return table.sort_by([(name, "ascending") for name in ("user_key", "list", "rank") if name in schema.names])


def writings(text: str) -> set[str]:
    """A text as it is, as CSV and as JSON write it."""
    return {text, text.replace('"', '""'), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def places_with(text: str) -> list[str]:
    """Every place in which a text stands anywhere: tables, lake and Redis, each dumped whole."""
    found = [table for table, dump in _dump_tables().items() if any(each in row for row in dump for each in writings(text))]
    bucket = get_settings().lake_bucket
    for item in lake.list_objects(bucket):
        body = lake.get_bytes(bucket, item["Key"])
        rows = pq.read_table(io.BytesIO(body)).to_pylist() if item["Key"].endswith(".parquet") else []
        if text.encode() in body or any(text in _texts(row) for row in rows):
            found.append(item["Key"])
    client = redis.Redis.from_url(get_settings().redis_url)
    found += [key.decode() for key in client.scan_iter() if text.encode() in key or text.encode() in _held(client, key)]
    return found


def _held(client: redis.Redis, key: bytes) -> bytes:
    return b" ".join(sorted(client.smembers(key))) if client.type(key) == b"set" else client.get(key)


def dump() -> dict[str, list[str]]:
    """Everything there is: rows of tables and of lake objects as texts, and Redis."""
    bucket, client = get_settings().lake_bucket, redis.Redis.from_url(get_settings().redis_url)
    everything = _dump_tables()
    for item in lake.list_objects(bucket):
        body = lake.get_bytes(bucket, item["Key"])
        rows = pq.read_table(io.BytesIO(body)).to_pylist() if item["Key"].endswith(".parquet") else []
        everything[item["Key"]] = sorted(_texts(row) for row in rows)
    everything["redis"] = sorted(f"{key.decode()} {_held(client, key)!r}" for key in client.scan_iter())
    return everything


def _texts(row: dict) -> str:
    return " ".join(map(str, row.values()))


def _dump_tables() -> dict[str, list[str]]:
    """Rows as the texts of their values, unescaped."""
    with warehouse.connect() as connection:
        tables = connection.execute(
            "select relnamespace::regnamespace::text, relname from pg_class where relkind = 'r'"
            " and relnamespace::regnamespace::text !~ '^(pg_|information_schema)' and relname not in ('erasures', 'erased_users')"
        ).fetchall()
        dumped = {}
        for schema, table in tables:
            with connection.cursor().copy(sql.SQL("copy {} to stdout").format(sql.Identifier(schema, table))) as copy:
                text = b"".join(bytes(part) for part in copy).decode()
            dumped[f"{schema}.{table}"] = [line.replace("\\\\", "\\") for line in text.splitlines()]
    return dumped


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: Any, name: str, calls: int = 1, before: bool = False) -> None:
    """Die after that many calls of a function, or before its first."""
    original, done = getattr(owner, name), itertools.count(1)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if before:
            _die()
        result = original(*arguments, **options)
        if next(done) == calls:
            _die()
        return result

    setattr(owner, name, wrapped)


# Where an erasure can be made to die.
STEPS: dict[str, Callable[[], None]] = {
    "before the record": lambda: _wrap(erase, "_begin", before=True),
    "after the record": lambda: _wrap(erase, "_begin"),
    "within raw": lambda: _wrap(erase_warehouse, "_correct_accounts"),
    "after raw": lambda: _wrap(erase_warehouse, "_erase_raw"),
    "within the tables of dbt": lambda: _wrap(erase_warehouse, "columns_by_table", calls=2),
    "within the lake": lambda: _wrap(erase_lake, "_erase_from", calls=20),
    "between the stores": lambda: _wrap(RedisStore, "remove_entries"),
    "between two releases": lambda: _wrap(withdraw, "_withdraw_from"),
    "before the proof is recorded": lambda: _wrap(erase, "_end", before=True),
}


def erase_and_die(environment: dict[str, str], user: str, step: str) -> None:
    """For a process of its own."""
    os.environ.update(environment)
    get_settings.cache_clear()
    STEPS[step]()
    erase.erase(user, "who died")
