"""The person to erase, and what every part that holds personal data offers for it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import psycopg

Places = dict[str, int]
"""Rows by place, for example {"raw.interactions": 12, "lake features/user": 1}. Places without rows are left out."""

SEPARATOR = r"[^[:alnum:]_.\-]"  # what stands around a value in a row of CSV or JSON


@dataclass(frozen=True)
class Person:
    """A user, by the shop's id and by the key that stands for it. `aliases` are other writings of the id in files."""

    user_id: str = field(repr=False)
    user_key: str
    aliases: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, connection: psycopg.Connection, user_id: str, aliases: Iterable[str] = ()) -> "Person":
        """The person with this id; the database computes the key.

        Raises:
            ValueError: the id is empty.
        """
        if not user_id:
            raise ValueError("the id of the user is empty")
        row = connection.execute("select ops.user_key(%s)", (user_id,)).fetchone()
        assert row is not None
        return cls(user_id, row[0], tuple(alias for alias in aliases if alias))

    @property
    def is_number(self) -> bool:
        """Whether the id could as well be any number."""
        return self.user_id.isdecimal()

    def text_pattern(self) -> str:
        """A regular expression of PostgreSQL for a text that holds the id as a value of its own, as CSV or JSON write it."""
        written: set[str] = set()
        for name in (self.user_id, *self.aliases):
            as_json = {json.dumps(name, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
            written |= {name, name.replace('"', '""')} | as_json
        return f"(^|{SEPARATOR})({'|'.join(re.escape(each) for each in sorted(written))})($|{SEPARATOR})"


class Eraser(Protocol):
    """A part that holds personal data. Parts outside `cartwheel` join through the entry point group `cartwheel.erasers`."""

    def find(self, person: Person) -> Places:
        """Where the person is now."""

    def erase(self, person: Person) -> Places:
        """Remove the person; what was removed. Killed at any point, it can be called again."""
