"""Times in any spelling, as UTC.

Formats are `iso` (2017-12-01, 2017-12-01 08:26, 2017-12-01T08:26:01.5+01:00, …), `unix_s`, `unix_ms`, `unix_us`, or codes
as in `%d/%m/%Y %H:%M`. A time without an offset is of the given zone. A time that daylight saving skips does not exist and
is a problem; one that happens twice is the earlier.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

UNIX = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
UTC_TEXT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_OFFSET = r"\d:\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
_LAST_SECOND = 253_402_300_799
_SAMPLE = datetime(2010, 11, 23, 14, 5, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Times:
    """`at` in UTC; where it is null though the text is not, one of the other two is true."""

    at: pl.Expr
    unreadable: pl.Expr
    skipped: pl.Expr
    is_day: pl.Expr  # the text is a date alone


def polars_format(spelling: str) -> str:
    """A format as polars reads it, which wants %.f for a fraction."""
    return spelling.replace(".%f", "%.f")


def check_format(spelling: str) -> None:
    """Raises ValueError when a format is none, or names no full date."""
    if spelling == "iso" or spelling in UNIX:
        return
    code = polars_format(spelling)
    try:
        written = pl.select(pl.lit(_SAMPLE).dt.to_string(code)).item()
        at, _ = _by_codes(pl.lit(written), spelling)
        back = pl.select(at.dt.replace_time_zone(None)).item()
    except pl.exceptions.PolarsError:
        back = None
    if "%" not in spelling or back is None or back.date() != _SAMPLE.date():
        raise ValueError(
            f"{spelling!r} is no way to write a date: iso, unix_s, unix_ms, unix_us, or codes as %Y-%m-%d %H:%M:%S, "
            "%d/%m/%Y, %m/%d/%y %I:%M %p, %d %b %Y"
        )


def parse(text: pl.Expr, formats: list[str], zone: str) -> Times:
    """Read a text column: the first format that fits a value counts."""
    text = text.str.strip_chars()
    at: list[pl.Expr] = []  # in UTC
    local: list[pl.Expr] = []  # as the clock showed
    is_day: list[pl.Expr] = []
    for spelling in formats:
        if spelling == "iso":
            iso = _iso_text(text)
            has_offset = iso.str.contains(_OFFSET)
            with_offset = pl.when(has_offset).then(iso)
            without = pl.when(~has_offset).then(iso)
            at += [
                with_offset.str.to_datetime(code, time_unit="us", strict=False)
                for code in ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
            ]
            local += [
                without.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
                (without + ":00").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False),
                without.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False),
            ]
            is_day.append(text.str.contains(r"^\d{4}-\d{1,2}-\d{1,2}$"))
        elif spelling in UNIX:
            at.append(_unix(text, UNIX[spelling]))
        else:
            value, aware = _by_codes(text, spelling)
            (at if aware else local).append(value)
            is_day.append(value.is_not_null() if not re.search(r"%[HIklTRMSpPcrX+s]", spelling) else pl.lit(False))
    clock = pl.coalesce(local) if local else None
    if clock is not None:
        at.append(clock.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC"))
    utc = pl.coalesce(at)
    utc = pl.when(utc.dt.year().is_between(1000, 9999)).then(utc)
    lost = text.is_not_null() & utc.is_null()
    skipped = (lost & clock.is_not_null() & clock.dt.year().is_between(1000, 9999)) if clock is not None else pl.lit(False)
    return Times(utc, lost & ~skipped, skipped, pl.any_horizontal(is_day).fill_null(False) if is_day else pl.lit(False))


def _iso_text(text: pl.Expr) -> pl.Expr:
    """ISO text with a T, a point and an upper-case Z."""
    return (
        text.str.replace(r" ?(?:UTC|GMT|z)$", "Z")
        .str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})[ t]+", "${1}T")
        .str.replace(r"(\d:\d{2}:\d{2}),(\d)", "${1}.${2}")
        .str.replace(r"(\d) ([+-]\d{2}:?\d{2})$", "${1}${2}")
    )


def _unix(text: pl.Expr, microseconds: int) -> pl.Expr:
    number = text.cast(pl.Float64, strict=False)
    usable = number.is_finite() & (number.abs() * microseconds <= _LAST_SECOND * 1e6)
    exact = text.cast(pl.Int64, strict=False)
    ticks = pl.when(usable).then(pl.coalesce(exact * microseconds, (number * microseconds).round().cast(pl.Int64, strict=False)))
    return ticks.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _by_codes(text: pl.Expr, spelling: str) -> tuple[pl.Expr, bool]:
    """The times of a format of codes, and whether they carry an offset."""
    code = polars_format(spelling)
    if re.search(r"%[HIkl]", code) and "%M" not in code:  # an hour alone: polars wants minutes
        text, code = text + "|00", code + "|%M"
    aware = "z" in re.findall(r"%[:#]*([a-zA-Z])", code)
    value = text.str.to_datetime(code, time_unit="us", strict=False)
    return (value, True) if aware else (value, False)
