"""One contract field from a file's columns: text in, the contract's canonical text out, and what went wrong."""

import hashlib
import re
from dataclasses import dataclass

import polars as pl

from cartwheel.contracts import Contract, Field
from cartwheel.shop import times
from cartwheel.shop.expressions import compile_expression, number_text
from cartwheel.shop.models import PLACEHOLDER, DateColumn, FieldMapping

_ROOT = re.compile(r"^[^.\[]+")


@dataclass(frozen=True)
class Converted:
    """A field's text, and each problem with its reason code."""

    value: pl.Expr
    problems: list[tuple[pl.Expr, str]]


def path_root(name: str) -> str:
    """The column that a path into nested JSON starts at: `user` of `user.id`."""
    found = _ROOT.match(name)
    return found[0] if found else name


def with_columns_read(frame: pl.DataFrame, names: list[str], empty: tuple[str, ...]) -> pl.DataFrame:
    """The frame with a text column for each name: nested values taken out, empty texts null, absent columns null."""
    columns: list[pl.Expr] = []
    for name in names:
        if name in frame.columns:
            value = pl.col(name)
        elif path_root(name) in frame.columns:
            value = pl.col(path_root(name)).str.json_path_match("$" + name.removeprefix(path_root(name)).replace(" ", "\\ "))
        else:
            value = pl.lit(None, pl.String)
        columns.append(pl.when(~value.is_in(["", *empty])).then(value).alias(name))
    return frame.with_columns(columns)


def convert(contract: Contract, name: str, mapping: FieldMapping, zone: str, file: dict[str, str | None]) -> Converted:
    """The expression of a contract field. `file` holds what is known of the file: `file`, its key, and `file_date`."""
    field = next(field for field in contract.fields if field.name == name)
    value, problems = _source_text(mapping, name, file)
    if mapping.map is not None:
        value = value.replace(mapping.map)
    if mapping.default is not None:
        value = value.fill_null(pl.lit(mapping.default))
    if field.type in ("timestamp", "date"):
        return _time(field, value, problems, mapping.format, zone)
    if field.type in ("number", "integer"):
        return _number(field, value, problems, mapping)
    return Converted(value, problems)


def row_date(date: DateColumn, zone: str) -> Converted:
    """The business date of each row as text: a date as it is written, of a time the date in UTC."""
    read = times.parse(pl.col(date.column), date.format, zone)
    local = read.at.dt.convert_time_zone(zone).dt.date()
    day = pl.when(read.is_day).then(local).otherwise(read.at.dt.date())
    return Converted(day.dt.to_string("%Y-%m-%d"), [(read.at.is_null(), f"not_a_date: {date.column}")])


def _source_text(mapping: FieldMapping, name: str, file: dict[str, str | None]) -> tuple[pl.Expr, list[tuple[pl.Expr, str]]]:
    if mapping.column is not None:
        return pl.col(mapping.column), []
    if mapping.value is not None:
        return pl.lit(mapping.value), []
    if mapping.template is not None:
        return _template(mapping.template, file), []
    if mapping.hash_of is not None:
        return pl.struct(mapping.hash_of).map_batches(_hashes, return_dtype=pl.String), []
    if mapping.columns is not None:
        return _json_object(mapping.columns), []
    expression = compile_expression(mapping.expression or "")
    value = expression.value
    if expression.kind == "number":
        value = number_text(value)
    elif expression.kind == "boolean":
        value = pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
    return value, [(expression.failed, f"not_computed: {name}")]


def _template(template: str, file: dict[str, str | None]) -> pl.Expr:
    """Empty where one of its columns is: half an id is none."""
    parts: list[pl.Expr] = []
    for number, piece in enumerate(PLACEHOLDER.split(template)):
        if number % 2 == 0:
            parts.append(pl.lit(piece))
        elif piece in file:
            parts.append(pl.lit(file[piece], pl.String))
        elif piece == "line":
            parts.append(pl.col("line").cast(pl.String))
        else:
            parts.append(pl.col(piece))
    return pl.concat_str(parts)


def _hashes(rows: pl.Series) -> pl.Series:
    """128 bits of each row's values, in hex; lengths keep `ab|c` and `a|bc` apart."""
    columns = [rows.struct.field(name).to_list() for name in rows.struct.fields]
    return pl.Series(
        [
            hashlib.blake2b(
                "".join("-" if part is None else f"{len(part)}:{part}" for part in row).encode(), digest_size=16
            ).hexdigest()
            for row in zip(*columns, strict=True)
        ],
        dtype=pl.String,
    )


def _json_object(columns: list[str]) -> pl.Expr:
    """The columns that are not empty, as one JSON object; null when all are empty."""
    members = [pl.when(pl.col(name).is_not_null()).then(pl.struct(name).struct.json_encode()) for name in columns]
    joined = pl.concat_str([member.str.slice(1).str.head(-1) for member in members], separator=",", ignore_nulls=True)
    return pl.when(pl.any_horizontal([pl.col(name).is_not_null() for name in columns])).then("{" + joined + "}")


def _time(field: Field, value: pl.Expr, problems: list[tuple[pl.Expr, str]], formats: list[str] | None, zone: str) -> Converted:
    if field.type == "date":
        read = times.parse(value, formats or ["iso"], "UTC")
        return Converted(read.at.dt.to_string("%Y-%m-%d"), [*problems, (read.unreadable, f"not_a_date: {field.name}")])
    read = times.parse(value, formats or ["iso"], zone)
    return Converted(
        read.at.dt.to_string(times.UTC_TEXT),
        [*problems, (read.unreadable, f"not_a_timestamp: {field.name}"), (read.skipped, f"nonexistent_time: {field.name}")],
    )


def _number(field: Field, value: pl.Expr, problems: list[tuple[pl.Expr, str]], mapping: FieldMapping) -> Converted:
    if (mapping.decimal, mapping.thousands, mapping.divide_by) == (".", None, None):
        return Converted(value, problems)
    mark, between = re.escape(mapping.decimal), mapping.thousands
    digits = r"\d+" if between is None else rf"(?:\d+|\d{{1,3}}(?:{re.escape(between)}\d{{3}})+)"
    text = value.str.strip_chars()
    is_number = text.str.contains(rf"^[+-]?(?:{digits}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$")
    plain = text if between is None else text.str.replace_all(between, "", literal=True)
    plain = pl.when(is_number).then(plain.str.replace(mapping.decimal, ".", literal=True))
    if mapping.divide_by is not None:
        plain = number_text(plain.cast(pl.Float64, strict=False) / mapping.divide_by)
    return Converted(plain, [*problems, (text.is_not_null() & plain.is_null(), f"not_a_number: {field.name}")])
