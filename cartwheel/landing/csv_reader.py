"""CSV in any dialect, in bounded memory: records found by `csv_records.py`, their values taken apart by Arrow.

Every record becomes a row of text or a `Malformed` one: `not_utf8` (or another encoding), `nul_byte`, `column_count`,
`bad_quotes`, `unclosed_quote`, `line_too_long`. Empty lines are nothing.
"""

import codecs
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from cartwheel.landing.blocks import Blocks, TextStream, line_ends
from cartwheel.landing.chunks import MAX_COLUMNS, BadFileError, Chunk, Malformed, empty_frame, no_originals, shown, unique_names
from cartwheel.landing.csv_records import Dialect, Records, by_the_book, find_records
from cartwheel.landing.text import BLOCK_BYTES

SEPARATOR = "\x1f"  # stands for a delimiter of several bytes
Restore = Callable[[str], str]


def read_csv(
    stream: TextStream,
    delimiter: str,
    quote: str,
    header: bool,
    columns: tuple[str, ...] | None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Chunk]:
    """The rows of a file; at least one chunk, perhaps without rows. `columns` name them when there is no `header`.

    Raises:
        BadFileError: there is no header, or it cannot be read.
    """
    restore: Restore = _as_it_is
    one_byte = delimiter
    if len(delimiter.encode()) > 1:
        stream, one_byte = _OneByteDelimiter(stream, delimiter.encode()), SEPARATOR

        def restore(text: str) -> str:
            return text.replace(SEPARATOR, delimiter)

    dialect = Dialect(one_byte.encode(), quote.encode())
    if len(dialect.quote) > 1:
        raise BadFileError(f"cannot be read with the quote {quote!r}: it must be one ASCII character")
    blocks = Blocks(stream, lone_cr=True, block_bytes=block_bytes)
    names = unique_names(_read_header(blocks, dialect, restore) if header else columns or ())
    if not 0 < len(names) <= MAX_COLUMNS:
        raise BadFileError(f"has {len(names)} columns; from 1 to {MAX_COLUMNS} are possible")
    yield Chunk(empty_frame(names), no_originals)  # the columns, even if no row follows
    while blocks.data or not blocks.final:
        if monster := blocks.pass_monster():
            yield Chunk(empty_frame(names), no_originals, [monster])
            continue
        records = find_records(blocks, dialect)
        if records.used:
            blocks.use(records.used, records.lines_used)
            yield _chunk(records, names, dialect, stream.encoding, restore)
        if not blocks.final:
            blocks.read_more()


def _read_header(blocks: Blocks, dialect: Dialect, restore: Restore) -> list[str]:
    """The names in the first record. What follows it stays in `blocks`."""
    while True:
        if blocks.pass_monster():
            raise BadFileError("its first line is too long to be a header")
        records = find_records(blocks, dialect)
        if len(records.starts) or records.malformed:
            break
        if blocks.final:
            raise BadFileError("is empty: there is not even a header")
        blocks.use(records.used, records.lines_used)
        blocks.read_more()
    first = records.lines[0] if len(records.lines) else None
    if records.malformed and (first is None or records.malformed[0].line < first):
        raise BadFileError(f"its header cannot be read: {records.malformed[0].reason}")
    text = records.data[records.starts[0] : records.ends[0]]
    try:
        names = [restore(name.encode("latin-1").decode()) for name in dialect.values([text])[0]]
    except UnicodeDecodeError:
        raise BadFileError("its header is not in the file's encoding") from None
    if "\0" in "".join(names):
        raise BadFileError("its header holds NUL bytes: it is no text in this encoding")
    end = blocks.line_end(int(records.ends[0]))
    end = end if end >= 0 else len(blocks.data)
    blocks.use(end, len(line_ends(blocks.data[:end], lone_cr=True)))
    return names


def _chunk(records: Records, names: list[str], dialect: Dialect, encoding: str, restore: Restore) -> Chunk:
    """The records as rows of text, those that are none as malformed."""
    bad = _not_text(records, encoding)
    bad |= {row: reason for row, reason in _miscounted(records, dialect, len(names)).items() if row not in bad}
    rows = np.delete(np.arange(len(records.starts)), sorted(bad))
    data, starts, ends = records.data, records.starts, records.ends

    def original(row: int) -> str:
        return restore(shown(data[starts[row] : ends[row]]))

    malformed = [Malformed(int(records.lines[row]), reason, original(row)) for row, reason in bad.items()]
    malformed += [Malformed(m.line, m.reason, restore(m.original)) for m in records.malformed]
    if records.by_the_book and not bad:
        text = data[: records.used]
    else:
        texts = [data[starts[row] : ends[row]] for row in rows]
        text = b"\n".join(texts) if records.by_the_book else by_the_book(texts, dialect)
    frame = _parse(text, names, dialect) if len(rows) else empty_frame(names).drop("line")
    if restore is not _as_it_is:
        frame = frame.with_columns(pl.col(pl.String).str.replace_all(SEPARATOR, restore(SEPARATOR), literal=True))
    frame = frame.insert_column(0, pl.Series("line", records.lines[rows], pl.Int64))
    return Chunk(frame, lambda wanted: [original(rows[row]) for row in wanted], malformed)


def _not_text(records: Records, encoding: str) -> dict[int, str]:
    """Records with bytes that are no text."""
    bad: dict[int, str] = {}
    used = memoryview(records.data)[: records.used]
    at, reason = 0, f"not_{encoding.replace('-', '')}"
    while not records.data.isascii() and at < records.used:
        try:
            codecs.utf_8_decode(used[at:], "strict", True)
            break
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(records.starts, at + error.start, "right")) - 1
            if row >= 0 and at + error.start < records.ends[row]:
                bad[row] = reason
                at = int(records.ends[row])
            else:  # within lines that are malformed anyhow
                at += error.end
    if b"\0" in records.data:
        places = np.flatnonzero(np.frombuffer(records.data, np.uint8)[: records.used] == 0)
        found = np.searchsorted(records.starts, places, "right") - 1
        within = (found >= 0) & (places < records.ends[found])
        bad |= {row: "nul_byte" for row in np.unique(found[within]).tolist() if row not in bad}
    return bad


def _miscounted(records: Records, dialect: Dialect, width: int) -> dict[int, str]:
    """Records with another number of values than the header."""
    starts, ends = records.starts, records.ends
    if not records.by_the_book:
        widths = np.array(
            [len(values) for values in dialect.values([records.data[s:e] for s, e in zip(starts, ends, strict=True)])]
        )
    else:
        raw = np.frombuffer(records.data, np.uint8)[: records.used]
        places = np.flatnonzero(raw == dialect.delimiter[0])
        if dialect.quote and dialect.quote in records.data:
            quotes = np.flatnonzero(raw == dialect.quote[0])
            places = places[np.searchsorted(quotes, places) % 2 == 0]
        if width > 1 and len(places) == len(starts) * (width - 1):
            in_rows = places.reshape(len(starts), width - 1)
            if (in_rows[:, 0] >= starts).all() and (in_rows[:, -1] < ends).all():
                return {}
        widths = np.searchsorted(places, ends) - np.searchsorted(places, starts) + 1
    return {int(row): f"column_count: {widths[row]}, not {width}" for row in np.flatnonzero(widths != width)}


def _parse(text: bytes, names: list[str], dialect: Dialect) -> pl.DataFrame:
    table = pa_csv.read_csv(
        pa.BufferReader(text),
        read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=pa_csv.ParseOptions(
            delimiter=dialect.delimiter.decode(), quote_char=dialect.quote.decode() or False, newlines_in_values=True
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=False,  # it has been
        ),
    )
    return pl.DataFrame(table)


def _as_it_is(text: str) -> str:
    return text


class _OneByteDelimiter:
    """A stream in which a delimiter of several bytes is one byte that text does not hold."""

    def __init__(self, stream: TextStream, delimiter: bytes) -> None:
        self._stream, self._delimiter, self._held = stream, delimiter, b""
        self.encoding = stream.encoding

    def read(self, size: int) -> bytes:
        while True:
            more = self._stream.read(size)
            if SEPARATOR.encode() in more:
                raise BadFileError("holds the byte 1f: its delimiter of several characters cannot be told apart")
            text = (self._held + more).replace(self._delimiter, SEPARATOR.encode())
            begun = (n for n in range(len(self._delimiter) - 1, 0, -1) if text.endswith(self._delimiter[:n]))
            held = next(begun, 0) if more else 0
            self._held = text[len(text) - held :]
            if len(text) > held or not more:
                return text[: len(text) - held]
