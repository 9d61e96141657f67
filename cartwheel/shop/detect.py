"""Looking at one sample file: how it is written, its columns, and its first rows as text.

Reads the first megabytes only. What it is not sure of it says in `doubts`.
"""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from cartwheel.shop.source import COMPRESSIONS, TYPES

HEAD_BYTES, HEAD_ROWS = 4 << 20, 20_000
DELIMITERS = (",", ";", "\t", "::", "|")
MAX_DEPTH = 4
EMPTY_WORDS = {"NULL", "null", "NA", "N/A", "nan", "NaN", "None", "\\N"}


class UnreadableError(ValueError):
    """A file that is nothing a mapping can read."""


@dataclass
class Sample:
    """One file: `columns` maps each column's name to its first values, None where empty."""

    name: str
    type: str
    columns: dict[str, list[str | None]]
    delimiter: str = ","
    encoding: str = "utf-8"
    header: bool = True
    whole: bool = True  # the sample is all of the file
    empty: tuple[str, ...] = ()  # texts that stand for an empty value
    doubts: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return max(map(len, self.columns.values()), default=0)


def look_at(path: Path, name: str) -> Sample:
    """The sample of a file.

    Raises:
        UnreadableError: it is empty, or not CSV, JSON lines or Parquet.
    """
    ending, compression = _ending(name)
    if TYPES.get(ending) == "parquet":
        return _parquet(path, name)
    head, whole = _head(path, compression)
    if not head.strip():
        raise UnreadableError("it is empty")
    text, encoding, doubts = _decode(head)
    if not whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    if "\0" in text:
        raise UnreadableError("it holds binary data")
    if TYPES.get(ending) != "csv" and text.lstrip()[:1] == "[":
        raise UnreadableError("it is one JSON array; JSON lines are needed, one object per line: jq -c '.[]' FILE > FILE.jsonl")
    is_json = TYPES.get(ending) == "jsonl" or text.lstrip()[:1] == "{"
    sample = _json_lines(text, name) if is_json else _csv(text, name)
    sample.encoding, sample.whole = encoding, whole and sample.rows < HEAD_ROWS
    sample.doubts[:0] = doubts
    _take_out_empty_words(sample)
    return sample


def _take_out_empty_words(sample: Sample) -> None:
    """NULL, NA and the like are no values where they stand among numbers."""
    words: set[str] = set()
    for values in sample.columns.values():
        found = {value for value in values if value in EMPTY_WORDS}
        others = [value for value in values if value is not None and value not in EMPTY_WORDS]
        if found and (not others or sum(value[:1].isdigit() for value in others) > 0.9 * len(others)):
            words |= {value for value in found if value}
    if words:
        sample.empty = tuple(sorted(words))
        for name, values in sample.columns.items():
            sample.columns[name] = [None if value in words else value for value in values]


def _ending(name: str) -> tuple[str, str | None]:
    parts = name.rsplit("/", 1)[-1].lower().split(".")
    if parts[-1] in COMPRESSIONS and len(parts) > 1:
        return parts[-2], COMPRESSIONS[parts[-1]]
    return parts[-1], None


def _head(path: Path, compression: str | None) -> tuple[bytes, bool]:
    """The first bytes, and whether they are all."""
    opener: Any = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, None: open}.get(compression)
    if opener is None:
        raise UnreadableError("look at it uncompressed, or as .gz, .bz2 or .xz")
    try:
        with opener(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            return head, not file.read(1)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UnreadableError(f"it cannot be unpacked: {error}") from None


def _decode(head: bytes) -> tuple[str, str, list[str]]:
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return head.decode(encoding, "ignore").removeprefix("\ufeff"), encoding, []
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head), "utf-8", []
    except UnicodeDecodeError:
        windows = any(0x80 <= byte <= 0x9F for byte in head)
        encoding = "cp1252" if windows else "latin-1"
        return (
            head.decode(encoding, "replace"),
            encoding,
            [f"it is not UTF-8; {encoding} is a guess: look at letters with accents"],
        )


def _csv(text: str, name: str) -> Sample:
    delimiter = _delimiter(text)
    rows = _split(text, delimiter)
    if delimiter == "," and all(len(row) == 1 for row in rows[:50]) and len(rows) > 1 and " " in rows[0][0]:
        raise UnreadableError("it is plain text without columns")
    width = Counter(map(len, rows)).most_common(1)[0][0]
    header = _has_header(rows, width)
    names = [value.strip() or f"column_{number}" for number, value in enumerate(rows[0], 1)] if header else []
    names = names or [f"column_{number}" for number in range(1, width + 1)]
    names = [_again(names, number) for number in range(len(names))]
    body = [row for row in rows[1 if header else 0 :] if len(row) == len(names)]
    columns: dict[str, list[str | None]] = {
        column: [row[number] if row[number] != "" else None for row in body] for number, column in enumerate(names)
    }
    sample = Sample(name, "csv", columns, delimiter, header=header)
    if not header:
        sample.doubts.append("no header: the names of the columns are guesses")
    odd = sum(len(row) != len(names) for row in rows)
    if odd:
        sample.doubts.append(f"{odd} of the first {len(rows)} rows have another number of columns; they would be rejected")
    return sample


def _again(names: list[str], number: int) -> str:
    """The second `name` is `name_2`, as the readers call it."""
    before = names[:number].count(names[number])
    return f"{names[number]}_{before + 1}" if before else names[number]


def _split(text: str, delimiter: str) -> list[list[str]]:
    if len(delimiter) > 1:
        return [line.split(delimiter) for line in text.splitlines()[:HEAD_ROWS] if line]
    csv.field_size_limit(HEAD_BYTES)
    rows = []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        if row:
            rows.append(row)
        if len(rows) == HEAD_ROWS:
            break
    return rows


def _delimiter(text: str) -> str:
    """The one that splits most rows into the same number of columns, and more than one."""
    head = "\n".join(text.splitlines()[:200])

    def consistency(delimiter: str) -> tuple[float, int]:
        widths = Counter(map(len, _split(head, delimiter)))
        width, count = widths.most_common(1)[0]
        return (round(count / sum(widths.values()), 2) if width > 1 else 0.0, width)

    return max(DELIMITERS, key=consistency)


def _has_header(rows: list[list[str]], width: int) -> bool:
    """A first row of distinct words, none of them a number or a time, above rows that are not all like it."""
    first = [value.strip() for value in rows[0]]
    if len(first) != width or len(set(first)) < len(first) or any(re.match(r"^[-+\d.,:/ ]+$|^\d{4}-\d\d-\d\d", v) for v in first):
        return False
    if any(len(value) > 60 for value in first):
        return False
    words = sum(bool(re.match(r"^[^\W\d][\w .\-/()#%:&]*$", value)) for value in first)
    return words >= max(1, len(first) - 1)


def _json_lines(text: str, name: str) -> Sample:
    records: list[dict[str, str | None]] = []
    bad = 0
    for line in text.split("\n")[:HEAD_ROWS]:
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_float=str, parse_int=str)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            bad += 1
            continue
        record: dict[str, str | None] = {}
        _flatten(value, "", record, 0)
        records.append(record)
    if not records:
        raise UnreadableError("it holds no JSON object per line (Python's own notation with 'single quotes' is no JSON)")
    names = list(dict.fromkeys(column for record in records for column in record))
    sample = Sample(name, "jsonl", {column: [record.get(column) for record in records] for column in names})
    if bad:
        sample.doubts.append(f"{bad} of the first {bad + len(records)} lines hold no JSON object; they would be rejected")
    return sample


def _flatten(value: Any, path: str, record: dict[str, str | None], depth: int) -> None:
    """Nested values under their paths: `user.id`, `categories[0][1]`; of lists the first three."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, inner in value.items():
            _flatten(inner, f"{path}.{key}" if path else str(key), record, depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for number, inner in enumerate(value[:3]):
            _flatten(inner, f"{path}[{number}]", record, depth + 1)
    elif value is None or value == "":
        record[path] = None
    elif isinstance(value, bool):
        record[path] = "true" if value else "false"
    else:
        record[path] = value if isinstance(value, str) else json.dumps(value)


def _parquet(path: Path, name: str) -> Sample:
    try:
        file = pq.ParquetFile(path)
        batch = next(file.iter_batches(HEAD_ROWS), None)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"it is no Parquet file: {error}") from None
    if batch is None:
        raise UnreadableError("it holds no rows")
    frame = pl.DataFrame(batch)
    columns: dict[str, list[str | None]] = {}
    for column, kind in frame.schema.items():
        if isinstance(kind, pl.Struct | pl.List):
            continue
        values = frame[column].dt.to_string("iso:strict") if isinstance(kind, pl.Datetime) else frame[column].cast(pl.String)
        columns[column] = [value or None for value in values.to_list()]
    return Sample(name, "parquet", columns, whole=file.metadata.num_rows <= len(frame))
