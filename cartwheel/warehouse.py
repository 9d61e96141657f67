"""The warehouse: connecting to it, and laying out its schemas.

`migrate` is idempotent: `cartwheel up` runs it on every start. The files of `sql/` hold the layout, except
the raw tables, which follow from the landing contracts.
"""

import hashlib
import hmac
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import structlog
from psycopg import sql

from cartwheel.contracts import LANDING_CONTRACTS, POSTGRES_TYPES, Contract
from cartwheel.settings import get_settings

log = structlog.get_logger()

SQL_DIR = Path(__file__).parent / "sql"


def connect(dsn: str | None = None, **options) -> psycopg.Connection:
    """A connection to the warehouse, in UTC.

    Raises:
        psycopg.OperationalError: the server cannot be reached.
    """
    return psycopg.connect(dsn or get_settings().postgres_dsn, options="-c timezone=UTC", **options)


@contextmanager
def ingest_lock() -> Iterator[None]:
    """Only one program at a time changes what `raw` holds; the lock ends with the process that holds it.

    Another one is waited for, and named in the log.
    """
    name = ("cartwheel.ingest",)
    with connect(autocommit=True, application_name=f"cartwheel {Path(sys.argv[0]).name} {os.getpid()}"[:63]) as connection:
        if connection.execute("select pg_try_advisory_lock(hashtext(%s))", name).fetchone() != (True,):
            holders = connection.execute(
                "select application_name, pid from pg_locks inner join pg_stat_activity using (pid)"
                " where locktype = 'advisory' and granted and classid = 0 and objid = hashtext(%s)::bigint & 4294967295", name,
            ).fetchall()  # fmt: skip
            log.info(
                "waiting for another program that changes raw", held_by=[f"{who} (server process {pid})" for who, pid in holders]
            )
            connection.execute("select pg_advisory_lock(hashtext(%s))", name)
        yield


def raw_table_ddl(contract: Contract) -> sql.Composed:
    """`create table` for the raw table of a contract, one partition per business date."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(field.name),
            sql.SQL(POSTGRES_TYPES[field.type]),
            sql.SQL(" not null" if field.required else ""),
        )
        for field in contract.fields
    )
    return sql.SQL(
        "create table if not exists raw.{} (business_date date not null, key text not null, line bigint not null, {})"
        " partition by list (business_date)"
    ).format(sql.Identifier(contract.name), columns)


def hmac_pads(secret: bytes) -> tuple[bytes, bytes]:
    """The inner and outer padded keys of HMAC-SHA256 (RFC 2104) for a secret."""
    block = (secret if len(secret) <= 64 else hashlib.sha256(secret).digest()).ljust(64, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def user_key(secret: bytes, user_id: str) -> str:
    """What `ops.user_key` computes in the database: the first 128 bits of the keyed hash, in hex."""
    return hmac.new(secret, user_id.encode(), hashlib.sha256).hexdigest()[:32]


def migrate() -> None:
    """Create what is missing of the warehouse's layout. The key of `user_key` is set once and then kept.

    Raises:
        psycopg.errors.InsufficientPrivilege: the settings' role may not create schemas or roles in the database.
    """
    with connect() as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('cartwheel.migrate'))")
        for path in sorted(SQL_DIR.glob("*.sql")):
            connection.execute(path.read_bytes())
        for contract in LANDING_CONTRACTS.values():
            connection.execute(raw_table_ddl(contract))
        connection.execute(
            "insert into ops.user_key_pads (inner_pad, outer_pad) values (%s, %s) on conflict do nothing",
            hmac_pads(get_settings().user_key_secret.encode()),
        )
