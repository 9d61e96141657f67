"""The names of landing files: globs that may hold a date.

`*` and `?` stay within a folder, `**` crosses folders, `[a-c]` is one of these characters, `{csv,csv.gz}` one of these
texts. `{date}` is a date as 2017-12-01; `{date:%Y%m%d}`, `{date:%Y/%m/%d}` or the like is a date in that form. A name
whose date is none of the calendar (2017-13-45) does not match.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

_DATE_CODES = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}", "%y": r"\d{2}", "%b": r"[A-Za-z]{3}", "%j": r"\d{3}"}
_DATE_SETS = ({"%Y", "%m", "%d"}, {"%y", "%m", "%d"}, {"%Y", "%b", "%d"}, {"%Y", "%j"})
_TOKEN = re.compile(r"\*\*/?|\*|\?|\[!?[^\]!]+\]|\{[^}]*\}|[^*?\[{]+|.", re.DOTALL)


def files_below(directory: Path) -> list[str]:
    """The names below a folder as landing keys, without hidden files and folders."""
    paths = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


@dataclass(frozen=True)
class KeyPattern:
    """A glob, compiled. `date_format` is None when it holds no date."""

    glob: str
    regex: re.Pattern[str]
    date_format: str | None

    def matches(self, key: str) -> bool:
        found = self.regex.fullmatch(key)
        return found is not None and (self.date_format is None or self._date(found) is not None)

    def file_date(self, key: str) -> date | None:
        """The date in a key that matches."""
        found = self.regex.fullmatch(key)
        return self._date(found) if found and self.date_format else None

    def _date(self, found: re.Match[str]) -> date | None:
        try:
            return datetime.strptime(found["date"], self.date_format or "").date()
        except ValueError:
            return None


def compile_glob(glob: str) -> KeyPattern:
    """The pattern of a glob.

    Raises:
        ValueError: its date is not one; the message says what is possible.
    """
    parts: list[str] = []
    date_format = None
    for token in _TOKEN.findall(glob):
        if token == "**/":
            parts.append(r"(?:[^/]+/)*")
        elif token == "**":
            parts.append(r".*")
        elif token == "*":
            parts.append(r"[^/]*")
        elif token == "?":
            parts.append(r"[^/]")
        elif token.startswith("[") and len(token) > 2:
            inside = re.sub(r"(?<=\w)\\-(?=\w)", "-", re.escape(token[1:-1].removeprefix("!")))
            parts.append(f"[{'^' if token[1] == '!' else ''}{inside}]")
        elif token == "{date}" or token.startswith("{date:"):
            if date_format is not None:
                raise ValueError(f"{glob!r} holds more than one date")
            date_format = token[1:-1].partition(":")[2] or "%Y-%m-%d"
            parts.append(f"(?P<date>{_date_regex(date_format, glob)})")
        elif token.startswith("{") and token.endswith("}"):
            parts.append("(?:" + "|".join(map(re.escape, token[1:-1].split(","))) + ")")
        else:
            parts.append(re.escape(token))
    try:
        return KeyPattern(glob, re.compile("".join(parts), re.DOTALL), date_format)
    except re.error as error:
        raise ValueError(f"{glob!r} is no pattern: {error}") from None


def _date_regex(date_format: str, glob: str) -> str:
    codes = set(re.findall(r"%.", date_format))
    if codes not in _DATE_SETS:
        raise ValueError(f"{glob!r}: {{date:{date_format}}} is no date: write it with %Y or %y, %m or %b, and %d, or with %Y%j")
    return re.sub(r"%.|[^%]+", lambda part: _DATE_CODES[part[0]] if part[0].startswith("%") else re.escape(part[0]), date_format)
