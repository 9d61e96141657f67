"""A landing bucket and a warehouse of their own for tests of ingest."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from cartwheel import lake, warehouse
from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.settings import get_settings

NAME = "cartwheel_test_ingest"
TABLES = [
    *(f"raw.{name}" for name in LANDING_CONTRACTS),
    "raw.interaction_ids", "raw.rejected_rows", "raw.duplicate_rows", "ops.loaded_files", "ops.loaded_dates",
]  # fmt: skip
HEADER = "event_id,event_type,user_id,item_id,event_ts,quantity\n"


@contextmanager
def own_landing_zone(stores) -> Iterator[None]:
    """The settings point to an empty warehouse and an empty landing bucket until the end."""
    patch, name = pytest.MonkeyPatch(), sql.Identifier(NAME)
    with psycopg.connect(stores.postgres_dsn("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        admin.execute(sql.SQL("create database {} owner cartwheel").format(name))
        patch.setenv("CARTWHEEL_POSTGRES_DSN", stores.postgres_dsn("cartwheel", NAME, "cartwheel"))
        patch.setenv("CARTWHEEL_LANDING_BUCKET", NAME.replace("_", "-"))
        get_settings.cache_clear()
        bucket = get_settings().landing_bucket
        if bucket not in [found["Name"] for found in lake.s3_client().list_buckets()["Buckets"]]:
            lake.s3_client().create_bucket(Bucket=bucket)
        warehouse.migrate()
        clear()
        yield
        clear()
        lake.s3_client().delete_bucket(Bucket=bucket)
        patch.undo()
        get_settings.cache_clear()
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


def clear() -> None:
    """Remove every file and every loaded row."""
    for item in lake.list_objects(get_settings().landing_bucket):
        take_away(item["Key"])
    forget()


def forget() -> None:
    """Remove every loaded row."""
    with warehouse.connect() as connection:
        connection.execute(f"truncate {', '.join(TABLES)}")


def land(key: str, *rows: str, header: str = HEADER) -> None:
    """Deliver a file of these lines."""
    land_bytes(key, (header + "".join(row + "\n" for row in rows)).encode())


def land_bytes(key: str, body: bytes) -> None:
    lake.s3_client().put_object(Bucket=get_settings().landing_bucket, Key=key, Body=body)


def take_away(key: str) -> None:
    lake.s3_client().delete_object(Bucket=get_settings().landing_bucket, Key=key)


def query(statement: str, *parameters) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def contents() -> dict[str, list[tuple]]:
    """Everything that ingest has written, but for numbers and times of loading."""
    left_out = {"ops.loaded_files": ("file_id", "loaded_at"), "ops.loaded_dates": ("file_id",)}
    found = {}
    for table in TABLES:
        rows = query(f"select to_jsonb(t) - %s::text[] from {table} as t", list(left_out.get(table, ())))
        if table == "ops.loaded_dates":  # dates that a file has left behind
            rows = [row for row in rows if row[0]["rows"]]
        found[table] = sorted(rows, key=str)
    return found
