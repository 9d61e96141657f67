"""Erased users stay out: ingest asks here which rows belong to them.

`ops.erased_users` holds keys alone, so each distinct id of a file is hashed and looked up. While nobody has been
erased, nothing is hashed.
"""

import hashlib
import re

import polars as pl
import psycopg

REASON = "erased_user"
_VALUES = re.compile(r"[^\w.\-]+")  # what stands between the values of a row; see `person.SEPARATOR`


class Suppression:
    """Who has been erased, as of the moment it was loaded."""

    def __init__(self, keys: frozenset[str], inner_pad: bytes = b"", outer_pad: bytes = b"") -> None:
        self._keys = keys
        self._inner, self._outer = hashlib.sha256(inner_pad), hashlib.sha256(outer_pad)

    @classmethod
    def load(cls, connection: psycopg.Connection) -> "Suppression":
        keys = frozenset(key for (key,) in connection.execute("select user_key from ops.erased_users"))
        pads = connection.execute("select inner_pad, outer_pad from ops.user_key_pads").fetchone()
        return cls(keys, *(pads or ()))

    def __bool__(self) -> bool:
        return bool(self._keys)

    def is_erased(self, user_id: str) -> bool:
        """Whether the id's key, as `ops.user_key` computes it, is that of an erased user."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(user_id.encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:32] in self._keys

    def mask(self, user_ids: pl.Series) -> pl.Series:
        """Which rows belong to an erased user, by their column `user_id` as text; rows without an id do not."""
        erased = [each for each in user_ids.unique().drop_nulls() if self.is_erased(each)] if self._keys else []
        return user_ids.is_in(erased).fill_null(False) if erased else pl.repeat(False, len(user_ids), eager=True)

    def mask_texts(self, originals: pl.Series) -> pl.Series:
        """Which original texts hold the id of an erased user as a value: for rows that could not be taken apart."""
        if not self._keys:
            return pl.repeat(False, len(originals), eager=True)
        named = [text is not None and any(map(self.is_erased, set(_VALUES.split(text)))) for text in originals]
        return pl.Series(named, dtype=pl.Boolean)

    def withhold(self, rejected: pl.DataFrame) -> pl.DataFrame:
        """Rejected rows (reason, original) without the original texts that are of an erased user, or name one."""
        personal = (rejected["reason"] == REASON) | self.mask_texts(rejected["original"])
        return rejected.with_columns(original=pl.when(~personal).then("original"))
