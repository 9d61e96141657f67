"""Public holidays, by rule or from a list: what `settings.holidays` says.

The rules of `us` are the federal holidays, as `dim_dates` of the warehouse has them; for any other region the setting holds
the dates themselves, as `2017-12-24=Christmas Eve,2018-05-01=May Day`.
"""

from datetime import date, timedelta

MONDAY, THURSDAY = 0, 3


def public_holidays(rule: str, first: date, last: date) -> dict[date, str]:
    """The holidays from `first` to `last`, in order.

    Raises:
        ValueError: the rule is none of `us`, `none` and a list of dates with names.
    """
    known = {} if rule == "none" else us_holidays(first.year, last.year) if rule == "us" else listed(rule)
    return {day: known[day] for day in sorted(known) if first <= day <= last}


def us_holidays(first: int, last: int) -> dict[date, str]:
    """The federal holidays of the United States from the year `first` to the year `last`."""
    return {day: name for year in range(first, last + 1) for day, name in _of_year(year)}


def _of_year(year: int) -> list[tuple[date, str]]:
    return [
        (date(year, 1, 1), "New Year's Day"),
        (weekday_from(date(year, 1, 15), MONDAY), "Martin Luther King Jr. Day"),
        (weekday_from(date(year, 2, 15), MONDAY), "Washington's Birthday"),
        (weekday_from(date(year, 5, 25), MONDAY), "Memorial Day"),
        *([(date(year, 6, 19), "Juneteenth")] if year >= 2021 else []),
        (date(year, 7, 4), "Independence Day"),
        (weekday_from(date(year, 9, 1), MONDAY), "Labor Day"),
        (weekday_from(date(year, 10, 8), MONDAY), "Columbus Day"),
        (date(year, 11, 11), "Veterans Day"),
        (weekday_from(date(year, 11, 22), THURSDAY), "Thanksgiving"),
        (date(year, 12, 25), "Christmas Day"),
    ]


def weekday_from(day: date, weekday: int) -> date:
    """The first such weekday on a day or after it."""
    return day + timedelta(days=(weekday - day.weekday()) % 7)


def listed(text: str) -> dict[date, str]:
    """The holidays of a list: dates with names, with commas."""
    found = {}
    for entry in text.split(","):
        day, _, name = entry.partition("=")
        try:
            found[date.fromisoformat(day.strip())] = name.strip() or "holiday"
        except ValueError:
            raise ValueError(
                f"CARTWHEEL_HOLIDAYS: {entry.strip()!r} is not a date with a name, for example 2017-12-24=Christmas Eve;"
                " the setting is `us`, `none`, or such entries with commas"
            ) from None
    return found
