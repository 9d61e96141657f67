"""The API's keys in force, as `serving.api_keys` has them (see `cartwheel/api_keys.py`)."""

import hmac
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import psycopg

from cartwheel.api_keys import hashed, parts_of

READ_AGAIN_S = 2.0  # so soon a revoked key stops working


@dataclass(frozen=True)
class Key:
    """One key, without its secret. `requests_per_s` is None for the setting's rate."""

    key_id: str
    name: str
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)
    scopes: tuple[str, ...]
    requests_per_s: float | None

    def fits(self, secret: str) -> bool:
        return hmac.compare_digest(hashed(secret, self.salt), self.hash)


class Keys:
    """The keys in force, read again every two seconds. While PostgreSQL cannot be reached, those known last."""

    def __init__(self, session: Callable[[], AbstractContextManager[psycopg.Connection]]) -> None:
        self.session = session
        self.known: dict[str, Key] | None = None
        self.checked: dict[str, Key] = {}  # by token, so that hashing is done once per reading
        self.read_at = float("-inf")

    def is_stale(self) -> bool:
        return time.monotonic() - self.read_at >= READ_AGAIN_S

    def read(self) -> None:
        """Read the keys in force.

        Raises:
            psycopg.Error: PostgreSQL cannot be reached, and no keys are known from before.
        """
        query = "select key_id, name, salt, hash, scopes, requests_per_s from serving.api_keys where revoked_at is null"
        try:
            with self.session() as connection:
                rows = connection.execute(query).fetchall()
        except psycopg.Error:
            if self.known is None:
                raise
            self.read_at = time.monotonic()
            return
        self.read_at = time.monotonic()
        self.known = {row[0]: Key(row[0], row[1], bytes(row[2]), bytes(row[3]), tuple(row[4]), row[5]) for row in rows}
        self.checked = {token: self.known[key.key_id] for token, key in self.checked.items() if key.key_id in self.known}

    def of(self, token: str) -> Key | None:
        """The key that a token is."""
        if key := self.checked.get(token):
            return key
        parts = parts_of(token)
        found = (self.known or {}).get(parts[0]) if parts else None
        if found is None or parts is None or not found.fits(parts[1]):
            return None
        self.checked[token] = found
        return found
