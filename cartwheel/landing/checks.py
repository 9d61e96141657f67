"""Rows in the contract's form, sorted by outcome: left out, rejected with the first reason, or good and in their types.

The reasons are `code: field`. A row of an erased user comes first (`erased_user`; see cartwheel/privacy), then what the
source's mapping could not convert, then the contract's fields in order: missing, nul_byte, too_long, not_a_<type>,
out_of_range, not_finite, a_return, too_small, too_large, unknown_value, not_an_object, after_business_date, in_the_future.
"""

import json
import math
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from cartwheel.contracts import Contract, Field
from cartwheel.landing.blocks import MAX_RECORD_BYTES
from cartwheel.landing.chunks import BadFileError, Chunk
from cartwheel.privacy.suppression import REASON as ERASED_USER
from cartwheel.privacy.suppression import Suppression
from cartwheel.shop.source import Source

TRUE_WORDS, FALSE_WORDS = ("true", "t", "yes", "1"), ("false", "f", "no", "0")
MAX_ID_BYTES = 512
YEARS = (1900, 2200)
TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
    "json": pl.String,
}
REJECTED = {"business_date": pl.Date, "line": pl.Int64, "reason": pl.String, "original": pl.String}


@dataclass(frozen=True)
class Outcome:
    """A chunk's rows. `good` has business_date, line and the contract's columns; `rejected` the columns of `REJECTED`."""

    good: pl.DataFrame
    rejected: pl.DataFrame
    filtered: int


def check(
    chunk: Chunk, source: Source, key: str, file_date: date | None, now: datetime, erased: Suppression | None = None
) -> Outcome:
    """Bring a chunk of the file `key` into the contract's form by its source, and sort its rows by outcome."""
    contract = source.contract
    try:
        rows = source.to_contract(chunk.frame, key)
    except pl.exceptions.PolarsError as error:
        raise BadFileError(f"source {source.name} cannot be applied to it: {str(error).splitlines()[0]}") from error
    typed = rows.select(
        "line",
        *(_typed(field, rows.columns).alias(field.name) for field in contract.fields),
    )
    typed = typed.with_columns(business_date=_business_date(contract, rows, typed, file_date))
    conditions = _conditions(contract, source, rows, typed, file_date, now)
    if erased and "user_id" in typed.columns:
        conditions.insert(0, (erased.mask(typed["user_id"]), pl.lit(ERASED_USER)))
    kept = rows["kept"].fill_null(False)
    bad = pl.Series(values=[False], dtype=pl.Boolean).new_from_index(0, len(rows))
    for condition, _ in conditions:
        bad = bad | condition
    bad = bad & kept
    rejected = _malformed(chunk, file_date)
    if bad.any():
        reason = pl.lit(None, pl.String)
        for number, (_, code) in reversed(list(enumerate(conditions))):
            reason = pl.when(pl.col(str(number))).then(code).otherwise(reason)
        hits = pl.DataFrame([condition.alias(str(n)) for n, (condition, _) in enumerate(conditions)]).with_columns(
            rows["mapping_reason"].alias("mapping_reason"), typed["business_date"], rows["line"]
        )
        hits = hits.with_row_index("row").filter(bad).with_columns(reason=reason)
        originals = pl.Series("original", chunk.originals(hits["row"].to_list()), pl.String)
        rejected = pl.concat([rejected, hits.with_columns(originals).select(list(REJECTED))])
    good = typed if kept.all() and not bad.any() else typed.filter(kept & ~bad)
    if erased:
        rejected = erased.withhold(rejected)
    return Outcome(good, rejected.sort("line"), len(rows) - int(kept.sum()))


def _malformed(chunk: Chunk, file_date: date | None) -> pl.DataFrame:
    rows = [(file_date, row.line, row.reason, row.original) for row in chunk.malformed]
    return pl.DataFrame(rows, schema=REJECTED, orient="row")


def _typed(field: Field, present: list[str]) -> pl.Expr:
    """The field's text in its type; null where it is blank or cannot be read as such."""
    if field.name not in present:
        return pl.lit(None, TYPES[field.type])
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
        case _:
            return pl.when(text != "").then(pl.col(field.name))


def _business_date(contract: Contract, rows: pl.DataFrame, typed: pl.DataFrame, file_date: date | None) -> pl.Expr:
    if contract.name == "interactions":
        by_row = pl.col("event_ts").dt.date()
        return by_row if file_date is None else pl.max_horizontal(pl.lit(file_date), by_row)
    if file_date is None:
        return pl.lit(rows["row_date"].str.to_date("%Y-%m-%d", strict=False))
    return pl.lit(file_date)


def _conditions(
    contract: Contract, source: Source, rows: pl.DataFrame, typed: pl.DataFrame, file_date: date | None, now: datetime
) -> list[tuple[pl.Series, pl.Expr]]:
    """What makes a row bad, and the reason it is given, in order of precedence."""
    names: list[str] = []
    tests: list[pl.Expr] = []

    def rule(test: pl.Expr, code: str) -> None:
        tests.append(test.fill_null(False).alias(str(len(tests))))
        names.append(code)

    both = pl.DataFrame([rows[name].alias(f"text {name}") for name in contract.columns if name in rows.columns])
    both = both.hstack(typed.get_columns())
    for field in contract.fields:
        if f"text {field.name}" not in both.columns:
            if field.required:
                rule(pl.lit(True), f"missing: {field.name}")
            continue
        text, value = pl.col(f"text {field.name}"), pl.col(field.name)
        there = text.is_not_null() & (text.str.strip_chars() != "")
        if field.required:
            rule(~there, f"missing: {field.name}")
        if field.type in ("string", "json"):
            rule(text.str.contains("\0", literal=True), f"nul_byte: {field.name}")
            is_id = field.name.endswith("_id") or field.name in contract.key
            longest = MAX_ID_BYTES if is_id else MAX_RECORD_BYTES
            rule(text.str.len_bytes() > longest, f"too_long: {field.name}")
        else:
            rule(there & value.is_null(), f"not_a_{field.type}: {field.name}")
        if field.type in ("date", "timestamp"):
            rule(~value.dt.year().is_between(*YEARS), f"out_of_range: {field.name}")
        if field.type == "number":
            rule(~value.is_finite(), f"not_finite: {field.name}")
        if field.name == "quantity":
            rule(value < 0, "a_return: quantity")
        if field.minimum is not None:
            rule(value < field.minimum, f"too_small: {field.name}")
        if field.maximum is not None:
            rule(value > field.maximum, f"too_large: {field.name}")
        if field.allowed is not None:
            rule(~value.is_in(field.allowed), f"unknown_value: {field.name}")
        if field.type == "json":
            rule(pl.lit(~_are_objects(typed[field.name])), f"not_an_object: {field.name}")
        if field.name == "event_ts" and file_date is None:
            rule(value > now, "in_the_future: event_ts")
        elif field.name == "event_ts":
            rule(value.dt.convert_time_zone(source.timezone).dt.date() > file_date, "after_business_date: event_ts")
    if file_date is None:
        rule(pl.col("business_date").is_null(), "not_a_date: business_date")
    found = both.select(tests).get_columns()
    found = [hits.new_from_index(0, len(rows)) if len(hits) != len(rows) else hits for hits in found]
    mapped = rows["mapping_reason"]
    return [
        (mapped.is_not_null(), pl.col("mapping_reason")),
        *((hits, pl.lit(code)) for hits, code in zip(found, names, strict=True)),
    ]


def _are_objects(column: pl.Series) -> pl.Series:
    """Whether each text is a JSON object that PostgreSQL takes; null where there is no text."""
    distinct = column.drop_nulls().unique()
    verdicts = [_is_object(text) for text in distinct.to_list()]
    return column.replace_strict(distinct, pl.Series(verdicts, dtype=pl.Boolean), default=None, return_dtype=pl.Boolean)


def _is_object(text: str) -> bool:
    try:
        value = _strict_json.decode(text)
        if "\\" in text:  # escapes may hide NUL and half a surrogate pair, which are no text in PostgreSQL
            plain = json.dumps(value, ensure_ascii=False)
            plain.encode()
            return isinstance(value, dict) and "\\u0000" not in plain.replace("\\\\", "")
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _finite(text: str) -> float:
    """A number that both Python and PostgreSQL hold.

    Raises:
        ValueError: it is too large, or none.
    """
    number = float(text)
    if (
        not math.isfinite(number)
        or len(text) > 1000
        or (number == 0 and any(digit in "123456789" for digit in text.split("e")[0].split("E")[0]))
    ):
        raise ValueError(text)
    return number


_strict_json = json.JSONDecoder(parse_float=_finite, parse_int=_finite, parse_constant=_finite)
