"""What the readers give: chunks of rows as text, each with its line and, on demand, its original text."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import polars as pl

MAX_COLUMNS = 2000
KEPT_BYTES = 64 * 1024  # of the original text of one rejected row


class BadFileError(ValueError):
    """A file that cannot be read at all; the message says what is wrong with it."""


@dataclass(frozen=True)
class Malformed:
    """Something in a file that is no row: where, why, and its text."""

    line: int
    reason: str
    original: str


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file. Every column of `frame` is text, null where empty, but for `line`, which starts at 1.

    `originals` gives the original texts of the rows with these numbers in `frame`.
    """

    frame: pl.DataFrame
    originals: Callable[[Iterable[int]], list[str]]
    malformed: list[Malformed] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.frame) + len(self.malformed)


def empty_frame(names: Iterable[str]) -> pl.DataFrame:
    """No rows of text columns with these names."""
    return pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(names, pl.String)})


def no_originals(rows: Iterable[int]) -> list[str]:
    """For a chunk without rows."""
    return []


def shown(original: bytes) -> str:
    """The bytes of a row as text: what is not UTF-8, and NUL, as `\\x…` escapes; monsters cut to their first 64 KiB.

    `text.py` hands on the bytes that another encoding does not know as lone surrogates, which become escapes here too.
    """
    return original[:KEPT_BYTES].decode("utf-8", "cartwheel_show").replace("\0", "\\x00")


def unique_names(names: Iterable[str | None]) -> list[str]:
    """Column names as they are used: stripped, `column_3` for an empty one, `name_2` for a second `name`.

    `line` is taken by the line number.
    """
    result: list[str] = []
    for number, name in enumerate(names, start=1):
        base = candidate = (name or "").strip() or f"column_{number}"
        again = 2
        while candidate in result or candidate == "line":
            candidate, again = f"{base}_{again}", again + 1
        result.append(candidate)
    return result
