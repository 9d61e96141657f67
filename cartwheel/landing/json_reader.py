"""JSON Lines: one object a line. Numbers keep the text they are written with; nested values become JSON text.

A line that is none becomes `Malformed`: `not_json`, `not_an_object`, `not_utf8`, `nul_byte`, `line_too_long`.
Empty lines are nothing.
"""

import json
from collections.abc import Iterator
from json.encoder import encode_basestring as quoted
from typing import Any

import numpy as np
import polars as pl

from cartwheel.landing.blocks import MAX_RECORD_BYTES, Blocks, TextStream, line_ends
from cartwheel.landing.chunks import MAX_COLUMNS, BadFileError, Chunk, Malformed, empty_frame, no_originals, shown
from cartwheel.landing.text import BLOCK_BYTES


class _Number(str):
    """A number as it is written."""


_decoder = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def read_json_lines(stream: TextStream, block_bytes: int = BLOCK_BYTES) -> Iterator[Chunk]:
    """The rows of a file; at least one chunk, perhaps without rows. A chunk has the columns that its rows have."""
    blocks = Blocks(stream, lone_cr=False, block_bytes=block_bytes)
    yield Chunk(empty_frame(()), no_originals)
    while blocks.data or not blocks.final:
        if monster := blocks.pass_monster():
            yield Chunk(empty_frame(()), no_originals, [monster])
            continue
        ends = line_ends(blocks.data, lone_cr=False)
        if blocks.final and blocks.data and (not len(ends) or ends[-1] < len(blocks.data)):
            ends = np.append(ends, len(blocks.data))
        if len(ends):
            texts = [
                blocks.data[start:end].rstrip(b"\r\n") for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
            ]
            yield _chunk(texts, blocks.line, stream.encoding)
            blocks.use(int(ends[-1]), len(texts))
        if not blocks.final:
            blocks.read_more()


def _chunk(texts: list[bytes], first_line: int, encoding: str) -> Chunk:
    rows: list[dict[str, str | None]] = []
    lines: list[int] = []
    malformed: list[Malformed] = []
    for line, text in enumerate(texts, start=first_line):
        if not text.strip():
            continue
        try:
            rows.append(_row(text, encoding))
            lines.append(line)
        except _NoRowError as error:
            malformed.append(Malformed(line, str(error), shown(text)))
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise BadFileError(f"has objects with more than {MAX_COLUMNS} different names")
    columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    frame = pl.DataFrame({"line": pl.Series(lines, dtype=pl.Int64), **columns})
    return Chunk(frame, lambda wanted: [shown(texts[lines[row] - first_line]) for row in wanted], malformed)


class _NoRowError(ValueError):
    """A line that is no row; the message is the reason."""


def _row(text: bytes, encoding: str) -> dict[str, str | None]:
    if len(text) > MAX_RECORD_BYTES:
        raise _NoRowError(f"line_too_long: {len(text)} bytes")
    if b"\0" in text:
        raise _NoRowError("nul_byte")
    try:
        value = _decoder.decode(text.decode())
        if b"\\ud" in text or b"\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except UnicodeError:
        raise _NoRowError(f"not_{encoding.replace('-', '')}") from None
    except (ValueError, RecursionError):
        raise _NoRowError("not_json") from None
    if not isinstance(value, dict):
        raise _NoRowError("not_an_object")
    return {_name(name): _text(item) for name, item in value.items()}


def _name(name: str) -> str:
    """As a column: `line` is taken by the line number."""
    return {"line": "line_2", "": "column"}.get(name, name)


def _text(value: Any) -> str | None:
    """A value as text; empty is null."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    return "".join(_json(value))


def _json(value: Any) -> Iterator[str]:
    """A value as compact JSON, its numbers as they were written."""
    if isinstance(value, _Number):
        yield value
    elif isinstance(value, str):
        yield quoted(value)
    elif isinstance(value, dict):
        yield "{"
        for number, (name, item) in enumerate(value.items()):
            yield ("," if number else "") + quoted(name) + ":"
            yield from _json(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _json(item)
        yield "]"
    else:
        yield "null" if value is None else str(value).lower()
