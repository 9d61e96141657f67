"""Which sample files belong together: the same columns under names that differ in a date or a number only."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cartwheel.shop.detect import Sample, UnreadableError, look_at
from cartwheel.shop.keys import files_below

_DATES = (
    (r"year=\d{4}/month=\d{2}/day=\d{2}", "year=%Y/month=%m/day=%d"),
    (r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", "%Y-%m-%d"),
    (r"(?<!\d)\d{4}_\d{2}_\d{2}(?!\d)", "%Y_%m_%d"),
    (r"(?<!\d)\d{4}/\d{2}/\d{2}(?!\d)", "%Y/%m/%d"),
    (r"(?<!\d)\d{4}\.\d{2}\.\d{2}(?!\d)", "%Y.%m.%d"),
    (r"(?<!\d)(?:19|20)\d{6}(?!\d)", "%Y%m%d"),
    (r"(?<!\d)\d{2}-\d{2}-\d{4}(?!\d)", "%d-%m-%Y"),
)
_SKIPPED = {
    "md",
    "pdf",
    "html",
    "htm",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "py",
    "ipynb",
    "yaml",
    "yml",
    "sql",
    "doc",
    "docx",
    "log",
}
_PACKED = {"zip", "tar", "tgz", "7z", "rar", "xlsx", "xls"}
_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?![a-z])|\d+",
    re.IGNORECASE,
)


@dataclass
class Group:
    """Files of one kind; the first and the last were looked at."""

    glob: str
    names: list[str]
    first: Sample
    last: Sample
    date_format: str | None
    first_date: date | None
    last_date: date | None

    @property
    def label(self) -> str:
        """A name for the source."""
        stem = self.glob.rsplit("/", 1)[-1].split(".")[0]
        words = re.findall(r"[a-z]+", re.sub(r"\{[^}]*\}|\*", " ", stem).lower())
        if not set(words) - {"part", "data", "file"} and "/" in self.glob:
            words = re.findall(r"[a-z]+", re.sub(r"\{[^}]*\}|\*|date=|year=.*", " ", self.glob.rsplit("/", 1)[0]).lower())
        return "_".join(words)[:40].strip("_") if any(len(word) > 2 for word in words) else "files"


def find_groups(directory: Path) -> tuple[list[Group], list[tuple[str, str]]]:
    """The groups of a folder's files, and the files that cannot be read with the reason."""
    names = [name for name in files_below(directory) if not any(part.startswith("_") for part in name.split("/"))]
    unreadable: list[tuple[str, str]] = []
    by_pattern: dict[str, list[str]] = {}
    for name in names:
        ending = name.rsplit(".", 1)[-1].lower()
        if ending in _PACKED:
            unreadable.append((name, "unpack it first; of spreadsheets, save each sheet as CSV"))
        elif ending in _SKIPPED or "." not in name.rsplit("/", 1)[-1]:
            unreadable.append((name, "by its name it holds no data"))
        else:
            by_pattern.setdefault(_pattern(name)[0], []).append(name)
    groups: list[Group] = []
    for members in by_pattern.values():
        try:
            groups += _split_by_columns(directory, members)
        except UnreadableError as error:
            unreadable += [(name, str(error)) for name in members]
    return groups, unreadable


def _split_by_columns(directory: Path, names: list[str]) -> list[Group]:
    """One group if the first and the last file have the same columns, else each file for itself."""
    first = look_at(directory / names[0], names[0])
    last = look_at(directory / names[-1], names[-1]) if len(names) > 1 else first
    if len(names) > 1 and list(first.columns) != list(last.columns) and first.type != "jsonl":
        return [group for name in names for group in _split_by_columns(directory, [name])]
    pattern, date_format, _ = _pattern(names[0])
    if len(names) > 1:
        glob = pattern.replace("\0", f"{{date:{date_format}}}" if date_format != "%Y-%m-%d" else "{date}")
    else:
        glob = _exact(names[0], date_format)
    dates = [day for name in (names[0], names[-1]) if (day := _pattern(name)[2]) is not None]
    return [Group(glob, names, first, last, date_format, min(dates, default=None), max(dates, default=None))]


def _exact(name: str, date_format: str | None) -> str:
    """One file's name as a glob; signs that mean something in globs become `?`."""
    glob = re.sub(r"[\[\]{}*]", "?", name)
    if date_format is None:
        return glob
    shape = next(regex for regex, code in _DATES if code == date_format)
    return re.sub(shape, f"{{date:{date_format}}}" if date_format != "%Y-%m-%d" else "{date}", glob, count=1)


def _pattern(name: str) -> tuple[str, str | None, date | None]:
    """The name with its date as NUL and what varies as `*`; the date's format; the date."""
    for shape, code in _DATES:
        found = re.search(shape, name)
        if found is None:
            continue
        try:
            day = datetime.strptime(found[0], code).date()
        except ValueError:
            continue
        if not 1970 <= day.year <= 2100:
            continue
        before, after = name[: found.start()], name[found.end() :]
        return f"{_varying(before)}\0{_varying(after)}", code, day
    return _varying(name), None, None


def _varying(text: str) -> str:
    """Numbers, months and random ids as `*`, but in the endings."""
    stem, dot, ending = text.rpartition("/")
    base, point, endings = ending.partition(".")
    general = [re.sub(r"\*+", "*", _VARYING.sub("*", re.sub(r"[\[\]{}*]", "?", part), 0)) for part in (stem, base)]
    return general[0] + dot + general[1] + point + endings
