"""Where the records of CSV text begin and end (RFC 4180), told in two ways that agree.

The quick way looks at a whole block with numpy: a line's end outside quotes ends a record, and it is outside when an
even number of quotes precedes it. That holds only if every quote opens a value at its start, closes it at its end, or
is one of two inside; a block in which one does not (`5" pipe`, a value never closed) is read again the careful way, a
record at a time. There, a quote inside a value that is not quoted is part of the value; a record whose quotes are
malformed costs its first physical line, and reading goes on at the next one.
"""

import csv
import io
import re
from dataclasses import dataclass, field

import numpy as np

from cartwheel.landing.blocks import MAX_RECORD_BYTES, Blocks, line_ends, without_line_end
from cartwheel.landing.chunks import Malformed, shown

csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_RECORD_BYTES))
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Dialect:
    """One byte each; an empty quote means that quotes are ordinary characters."""

    delimiter: bytes
    quote: bytes

    def values(self, records: list[bytes]) -> list[list[str]]:
        """The values of whole records, each byte a character."""
        return list(
            csv.reader(
                [record.decode("latin-1") for record in records],
                delimiter=self.delimiter.decode(),
                quotechar=self.quote.decode() or None,
                quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
                strict=True,
            )
        )


@dataclass(frozen=True)
class Records:
    """Records of `data`: positions of their first and after their last byte, and the physical lines they start at.

    `used` bytes and `lines` lines of the data are done with.
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    used: int
    lines_used: int
    malformed: list[Malformed] = field(default_factory=list)
    by_the_book: bool = True  # every quote is where RFC 4180 has it


def find_records(blocks: Blocks, dialect: Dialect) -> Records:
    """The records that `blocks.data` holds as a whole."""
    return _quick(blocks, dialect) or _careful(blocks, dialect)


def _quick(blocks: Blocks, dialect: Dialect) -> Records | None:
    data = blocks.data
    newlines = line_ends(data, lone_cr=True)
    ends = newlines
    quotes = _NONE
    if dialect.quote and dialect.quote in data:
        quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == dialect.quote[0])
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    if blocks.final and data and (not len(ends) or ends[-1] < len(data)):
        if len(quotes) % 2:
            return None
        ends = np.append(ends, len(data))
    used = int(ends[-1]) if len(ends) else 0
    if len(quotes) and not _quotes_are_by_the_book(data, quotes[: np.searchsorted(quotes, used)], dialect):
        return None
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    bare = without_line_end(data, starts, ends)
    if len(bare) and (bare - starts).max() > MAX_RECORD_BYTES:
        return None
    if not len(ends) and len(data) > MAX_RECORD_BYTES:
        return None
    lines = blocks.line + (np.arange(len(starts)) if ends is newlines else np.searchsorted(newlines, starts, "right"))
    there = bare > starts  # an empty line is no record
    return Records(data, starts[there], bare[there], lines[there], used, int(np.searchsorted(newlines, used, "right")))


def _quotes_are_by_the_book(data: bytes, quotes: np.ndarray, dialect: Dialect) -> bool:
    """Whether quotes, alternately, open a value at its start and close it at its end. Two in a row close and open."""
    raw = np.frombuffer(data, np.uint8)
    quote, around = dialect.quote[0], np.zeros(256, bool)
    around[[dialect.delimiter[0], 10, 13, quote]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    before = opening[opening > 0] - 1
    after = closing[closing + 1 < len(raw)] + 1
    return bool(around[raw[before]].all() and around[raw[after]].all())


def _patterns(dialect: Dialect) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """A whole record with its line end, and the beginning of one that breaks off within quotes."""
    delimiter, quote = re.escape(dialect.delimiter), re.escape(dialect.quote)
    end = rb"(?:\r\n|\n|\r|\Z)"
    if not quote:
        return re.compile(rb"[^\r\n]*+" + end), re.compile(rb"(?!)")
    plain = rb"(?!" + quote + rb")[^" + delimiter + rb"\r\n]*+"
    quoted = quote + rb"(?:[^" + quote + rb"]++|" + quote + quote + rb")*+" + quote
    value = rb"(?:" + quoted + rb"|" + plain + rb")"
    record = value + rb"(?:" + delimiter + value + rb")*+" + end
    open_quote = quote + rb"(?:[^" + quote + rb"]++|" + quote + quote + rb")*+\Z"
    return re.compile(record), re.compile(rb"(?:" + value + delimiter + rb")*+" + open_quote)


def _careful(blocks: Blocks, dialect: Dialect) -> Records:
    record, breaks_off = _patterns(dialect)
    data, at, line = blocks.data, 0, blocks.line
    starts, ends, lines, malformed = [], [], [], []
    while at < len(data):
        limit = min(len(data), at + MAX_RECORD_BYTES + 2)  # a decision never depends on what follows
        breaks = limit < len(data) or not blocks.final
        line_end = blocks.line_end(at, limit)
        if line_end < 0 and not breaks:
            line_end = len(data)
        if line_end < 0 or len(data[at:line_end].rstrip(b"\r\n")) > MAX_RECORD_BYTES:
            break  # the line's end is in the next block, or it is a monster
        whole = record.match(data, at, limit)
        unfinished = whole is None and breaks_off.match(data, at, limit) is not None
        if whole and whole.end() == limit and breaks and data[limit - 1] not in b"\r\n":
            whole, unfinished = None, True
        if unfinished and limit == len(data) and not blocks.final and limit - at < MAX_RECORD_BYTES + 2:
            break  # the record's end is in the next block
        if whole and len(bare := whole[0].rstrip(b"\r\n")) <= MAX_RECORD_BYTES:
            if bare:
                starts.append(at)
                ends.append(at + len(bare))
                lines.append(line)
            at, line = whole.end(), line + _lines_in(whole[0])
            continue
        reason = "unclosed_quote" if whole or unfinished else "bad_quotes"
        malformed.append(Malformed(line, reason, shown(data[at:line_end].rstrip(b"\r\n"))))
        at, line = line_end, line + 1
    return Records(
        data, np.array(starts, np.int64), np.array(ends, np.int64), np.array(lines, np.int64),
        at, line - blocks.line, malformed, by_the_book=False,
    )  # fmt: skip


def _lines_in(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n") or 1


def by_the_book(records: list[bytes], dialect: Dialect) -> bytes:
    """The records written anew with every value in quotes, one a line."""
    buffer = io.StringIO()
    writer = csv.writer(
        buffer,
        delimiter=dialect.delimiter.decode(),
        quotechar=dialect.quote.decode() or '"',
        quoting=csv.QUOTE_ALL,
        lineterminator="\n",
    )
    writer.writerows(dialect.values(records))
    return buffer.getvalue().encode("latin-1")
