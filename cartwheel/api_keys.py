"""Keys of the API, kept in `serving.api_keys` without their secrets.

A key is `cw_<id>_<secret>`; the table has its id, scopes, rate and the salted SHA-256 of the secret. A secret is 128 random
bits or more, so there is nothing to guess and a fast hash is enough. `cartwheel make-api-key` makes one.
"""

import hashlib
import secrets
from collections.abc import Collection

import psycopg

SCOPES = ("recommend", "events", "metrics")


def new_token() -> str:
    return f"cw_{secrets.token_hex(4)}_{secrets.token_hex(32)}"


def parts_of(token: str) -> tuple[str, str] | None:
    """The id and the secret of a key as it is written; None if it is none."""
    parts = token.split("_")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "cw" else None


def hashed(secret: str, salt: bytes) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


def add(
    connection: psycopg.Connection, token: str, name: str, scopes: Collection[str], requests_per_s: float | None = None
) -> None:
    """Keep a key. One that is there already stays as it is, so this can be done again.

    Raises:
        ValueError: a scope is unknown, or the token is not in the form of a key.
    """
    unknown, parts = set(scopes) - set(SCOPES), parts_of(token)
    if unknown:
        raise ValueError(f"unknown scope {', '.join(sorted(unknown))}: there are {', '.join(SCOPES)}")
    if parts is None:
        raise ValueError("a key is written cw_<id>_<secret>")
    key_id, secret = parts
    salt = secrets.token_bytes(16)
    connection.execute(
        "insert into serving.api_keys (key_id, name, salt, hash, scopes, requests_per_s) values (%s, %s, %s, %s, %s, %s)"
        " on conflict (key_id) do nothing",
        (key_id, name, salt, hashed(secret, salt), sorted(set(scopes)), requests_per_s),
    )


def revoke(connection: psycopg.Connection, key_id: str) -> bool:
    """Whether there was such a key in force."""
    statement = "update serving.api_keys set revoked_at = now() where key_id = %s and revoked_at is null"
    return connection.execute(statement, (key_id,)).rowcount == 1
