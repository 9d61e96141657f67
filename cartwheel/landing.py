"""The landing zone: which files the shop has dropped, and reading one into checked rows.

Files are named `<dataset>/<YYYY-MM-DD>.<csv|csv.gz|parquet>` or `<dataset>/date=<YYYY-MM-DD>/<any name>`.
Every row of a file ends in exactly one of three places: accepted, rejected with a reason, or duplicate.
"""

import csv
import gzip
import io
import re
from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cartwheel import lake
from cartwheel.contracts import LANDING_CONTRACTS, Contract, Field
from cartwheel.settings import get_settings

KEY_PATTERN = re.compile(r"^(?P<dataset>\w+)/(?:date=)?(?P<date>\d{4}-\d{2}-\d{2})(?:/[^/]+|[^/]*)\.(csv|csv\.gz|parquet)$")
TRUE_WORDS, FALSE_WORDS = ("true", "t", "yes", "1"), ("false", "f", "no", "0")


class BadFileError(ValueError):
    """A file that cannot be read at all; the message names it and says what is wrong."""


@dataclass(frozen=True)
class LandedFile:
    """A file of the landing zone; key and ETag together identify what was delivered."""

    key: str
    etag: str
    bytes: int
    dataset: str
    business_date: date


@dataclass(frozen=True)
class ParsedFile:
    """A file's rows by outcome: rows_read = accepted + rejected + duplicates.

    `accepted` has `line` and the contract's columns in their types; `rejected` has line, reason, original.
    """

    rows_read: int
    accepted: pl.DataFrame
    rejected: pl.DataFrame
    duplicates: int


def list_landed_files(until: date) -> list[LandedFile]:
    """The files landed for dates up to `until`, by date and key. Keys of another form are not Cartwheel's."""
    files = []
    for item in lake.list_objects(get_settings().landing_bucket):
        match = KEY_PATTERN.match(item["Key"])
        if match and match["dataset"] in LANDING_CONTRACTS and match["date"] <= until.isoformat():
            day = date.fromisoformat(match["date"])
            files.append(LandedFile(item["Key"], item["ETag"].strip('"'), item["Size"], match["dataset"], day))
    return sorted(files, key=lambda file: (file.business_date, file.key))


def read_landed_file(file: LandedFile) -> ParsedFile:
    """Read and check one file of the landing zone.

    Raises:
        BadFileError: the file is not readable as what its name says, or lacks a required column.
    """
    payload = lake.get_bytes(get_settings().landing_bucket, file.key)
    return parse(payload, file.key, LANDING_CONTRACTS[file.dataset], file.business_date)


def parse(payload: bytes, key: str, contract: Contract, business_date: date) -> ParsedFile:
    """Read a file's bytes and sort its rows by outcome. See `read_landed_file`."""
    try:
        text, malformed = _read_text_columns(payload, key)
    except (pa.ArrowInvalid, gzip.BadGzipFile, EOFError, UnicodeDecodeError, OSError) as error:
        raise BadFileError(f"{key}: cannot be read: {str(error).splitlines()[0]}") from error
    missing = [field.name for field in contract.fields if field.required and field.name not in text.columns]
    if missing:
        raise BadFileError(f"{key}: lacks the required column(s) {', '.join(missing)}; it has {', '.join(text.columns)}")

    typed = text.select(
        "line",
        *(
            _convert(field).alias(field.name)
            if field.name in text.columns
            else pl.lit(None, _POLARS_TYPES[field.type]).alias(field.name)
            for field in contract.fields
        ),
        _first_reason(contract, text.columns, business_date).alias("reason"),
    )
    bad = pl.col("reason").is_not_null()
    good = typed.filter(~bad).drop("reason")
    accepted = good.unique(subset=list(contract.key), keep="first", maintain_order=True)
    rejected = (
        typed.filter(bad)
        .select("line", "reason")
        .join(text.select("line", original=pl.struct(pl.exclude("line")).struct.json_encode()), on="line")
    )
    rejected = pl.concat([rejected, malformed.select("line", "reason", "original")]).sort("line")
    return ParsedFile(len(text) + len(malformed), accepted, rejected, len(good) - len(accepted))


_POLARS_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
    "json": pl.String,
}


def _read_text_columns(payload: bytes, key: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All columns as text with their line number (the header is line 1), and the lines that are no rows."""
    malformed: list[tuple[int, str, str]] = []
    if key.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(payload))
        frame = pl.DataFrame(table)
        frame = frame.select(
            pl.col(name).dt.to_string("iso:strict") if isinstance(dtype, pl.Datetime) else pl.col(name).cast(pl.String)
            for name, dtype in frame.schema.items()
        )
    else:
        if key.endswith(".gz"):
            payload = gzip.decompress(payload)
        names = next(csv.reader(io.TextIOWrapper(io.BytesIO(payload), "utf-8-sig", newline="")), [])

        def keep(row: pa_csv.InvalidRow) -> str:
            malformed.append((row.number, f"column_count: {row.actual_columns}, not {row.expected_columns}", row.text))
            return "skip"

        table = pa_csv.read_csv(
            io.BytesIO(payload),
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        frame = pl.DataFrame(table)
    bad = pl.DataFrame(malformed, schema={"line": pl.Int64, "reason": pl.String, "original": pl.String}, orient="row")
    skipped = {line for line, _, _ in malformed}
    lines = (n for n in range(2, len(frame) + len(malformed) + 2) if n not in skipped)
    return frame.select(pl.Series("line", lines, pl.Int64), pl.all()), bad


def _convert(field: Field) -> pl.Expr:
    """The field's text in its type; null where it cannot be read as such."""
    text = pl.col(field.name).str.strip_chars()
    match field.type:
        case "integer":
            return text.cast(pl.Int64, strict=False)
        case "number":
            return text.cast(pl.Float64, strict=False)
        case "boolean":
            low = text.str.to_lowercase()
            return pl.when(low.is_in(TRUE_WORDS)).then(True).when(low.is_in(FALSE_WORDS)).then(False)
        case "date":
            return text.str.to_date("%Y-%m-%d", strict=False)
        case "timestamp":
            has_zone = text.str.contains(r"(Z|[+-]\d{2}:?\d{2})$")
            with_zone = pl.when(has_zone).then(text).otherwise(text + "Z")
            return with_zone.str.replace(" ", "T").str.to_datetime("%+", time_unit="us", strict=False)
        case "json":
            return text
        case _:
            return pl.col(field.name)


def _first_reason(contract: Contract, columns: list[str], business_date: date) -> pl.Expr:
    """The first reason to reject a row, as `code: field`; null where there is none."""
    reason = pl.lit(None, pl.String)
    rules: list[tuple[pl.Expr, str]] = []
    for field in contract.fields:
        if field.name not in columns:
            continue
        text, value = pl.col(field.name), _convert(field)
        if field.required:
            rules.append((text.is_null(), f"missing: {field.name}"))
        if field.type in ("string", "json"):
            rules.append((text.str.contains("\0", literal=True), f"nul_byte: {field.name}"))
        else:
            rules.append((text.is_not_null() & value.is_null(), f"not_a_{field.type}: {field.name}"))
        if field.type == "json":
            is_object = text.str.strip_chars().str.contains(r"^\{[\s\S]*\}$")
            rules.append((text.is_not_null() & ~is_object, f"not_an_object: {field.name}"))
        if field.type == "number":
            rules.append((~value.is_finite(), f"not_finite: {field.name}"))
        if field.minimum is not None:
            rules.append((value < field.minimum, f"too_small: {field.name}"))
        if field.maximum is not None:
            rules.append((value > field.maximum, f"too_large: {field.name}"))
        if field.allowed is not None:
            rules.append((~text.is_in(field.allowed), f"unknown_value: {field.name}"))
        if field.name == "event_ts":
            rules.append((value.dt.date() > business_date, "after_business_date: event_ts"))
    for condition, code in reversed(rules):
        reason = pl.when(condition.fill_null(False)).then(pl.lit(code)).otherwise(reason)
    return reason
