"""What a column holds, judged by its values: times in some spelling, numbers, flags, texts."""

import re
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from cartwheel.shop import times

LOOKED_AT = 5000
MOSTLY = 0.95
DAY_FIRST, MONTH_FIRST = "%d/%m/", "%m/%d/"
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d")
SPELLINGS = (
    "iso",
    *(day + clock for day in _DAYS for clock in _CLOCKS),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%m %d, %Y", "%d-%b-%Y %H:%M:%S"),
    *("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z"),
)
EPOCHS = {"unix_s": 1, "unix_ms": 1_000, "unix_us": 1_000_000}
_EPOCH_RANGE = (631_152_000, 2_208_988_800)  # 1990 to 2040
_FLAGS = ({"0", "1"}, {"true", "false"}, {"t", "f"}, {"y", "n"}, {"yes", "no"})


@dataclass
class Kind:
    """`name`: time, epoch, integer, number, flag, text or empty."""

    name: str
    values: int  # not empty
    empty: int
    distinct: int
    format: str | None = None
    other: str | None = None  # a second format that fits as well, day and month the other way round
    decimal: str = "."
    low: float = 0.0
    high: float = 0.0
    first: date | None = None
    last: date | None = None
    has_offset: bool = False
    has_clock: bool = False
    length: float = 0.0  # mean of the texts
    doubts: list[str] = field(default_factory=list)

    @property
    def is_unique(self) -> bool:
        return self.values > 0 and self.distinct >= 0.98 * self.values

    @property
    def is_numeric(self) -> bool:
        return self.name in ("integer", "number", "epoch", "flag")

    @property
    def is_time(self) -> bool:
        return self.name in ("time", "epoch")


def kind_of(values: list[str | None]) -> Kind:
    """The kind of a column with these values."""
    texts = [value.strip() for value in values if value is not None and value.strip()]
    kind = Kind("text", len(texts), len(values) - len(texts), len(set(texts)))
    if not texts:
        kind.name = "empty"
        return kind
    looked_at = texts[:LOOKED_AT]
    kind.length = sum(map(len, looked_at)) / len(looked_at)
    if _is_time(looked_at, kind) or _is_number(texts, kind):
        return kind
    if {text.lower() for text in texts} in _FLAGS or {text.lower() for text in texts} < {"true", "false"}:
        kind.name = "flag"
    return kind


def _is_time(texts: list[str], kind: Kind) -> bool:
    if not all(re.search(r"\d", text) for text in texts[:20]):
        return False
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    if all(re.fullmatch(r"\d+(\.\d*)?", text) for text in texts[:50]):
        spellings = ["%Y%m%d", "%Y%m%d%H%M%S"] if len(texts[0]) in (8, 14) else []
    else:
        spellings = [code for code in SPELLINGS if _could_be(code, texts[0])]
    found: dict[str, int] = {}
    for spelling in spellings:
        read = times.parse(pl.col("t"), [spelling], "UTC")
        found[spelling] = frame.select(read.at.dt.year().is_between(1970, 2100).sum()).item()
    best = max(found.values(), default=0)
    if best >= MOSTLY * len(texts):
        fitting = [spelling for spelling in spellings if found[spelling] == best]
        _set_time(frame, kind, "time", fitting[0])
        other = [spelling for spelling in fitting[1:] if sorted(spelling.lower()) == sorted(fitting[0].lower())]
        if other:
            kind.other = other[0]
            kind.doubts.append(f"{texts[0]!r} may be {fitting[0]} or {other[0]}: the values fit both")
        kind.has_clock = (fitting[0] != "iso" and "%H" in fitting[0]) or "%I" in fitting[0]
        if fitting[0] == "iso":
            kind.has_clock = any(":" in text for text in texts[:50])
            kind.has_offset = any(re.search(r":\d\d.*(?:Z|UTC|[+-]\d\d(:?\d\d)?)$", text) for text in texts[:50])
        kind.has_offset = kind.has_offset or "%z" in fitting[0]
        return True
    return _is_epoch(texts, frame, kind)


def _is_epoch(texts: list[str], frame: pl.DataFrame, kind: Kind) -> bool:
    numbers = frame["t"].cast(pl.Float64, strict=False)
    if numbers.null_count() > len(texts) * (1 - MOSTLY):
        return False
    for spelling, unit in EPOCHS.items():
        inside = (numbers / unit).is_between(*_EPOCH_RANGE).fill_null(False).sum()
        if inside >= MOSTLY * len(texts):
            _set_time(frame, kind, "epoch", spelling)
            kind.has_offset = kind.has_clock = True
            return True
    return False


def _set_time(frame: pl.DataFrame, kind: Kind, name: str, spelling: str) -> None:
    kind.name, kind.format = name, spelling
    at = frame.select(times.parse(pl.col("t"), [spelling], "UTC").at.dt.date().alias("day"))["day"].drop_nulls()
    if len(at):
        kind.first, kind.last = at.min(), at.max()  # type: ignore[assignment]


def _could_be(code: str, text: str) -> bool:
    """Whether a text has the signs of a format, to try only few."""
    if code == "iso":
        return re.match(r"^\d{4}-\d{1,2}-\d{1,2}", text) is not None
    marks = re.sub(r"%.|[\s\d]", "", code)
    return all(mark in text for mark in marks) and (":" in code) == (":" in text) and ("%p" in code) == (text[-1:] in "mM")


def _is_number(texts: list[str], kind: Kind) -> bool:
    point = [text for text in texts if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text)]
    comma = [text for text in texts if re.fullmatch(r"[+-]?\d+,\d+", text)]
    plain = len(point) + len(comma) if comma and not any("." in text for text in point) else len(point)
    if plain < MOSTLY * len(texts):
        return False
    numbers = [float(text.replace(",", ".")) for text in (point + comma if plain > len(point) else point)]
    kind.low, kind.high = min(numbers), max(numbers)
    kind.decimal = "," if plain > len(point) else "."
    whole = all(re.fullmatch(r"[+-]?\d+", text) for text in texts)
    kind.name = "integer" if whole else "number"
    if set(texts) <= {"0", "1"}:
        kind.name = "flag"
    return True
