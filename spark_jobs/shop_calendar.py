"""The calendar: weekdays, seasons and public holidays of days, as frames."""

from datetime import date, timedelta
from math import cos, pi, sin

from pyspark.sql import DataFrame, SparkSession

from cartwheel.holidays import public_holidays

SEASONS = ("winter", "spring", "summer", "autumn")  # of the northern half, as in the warehouse's dim_dates
BEFORE_HOLIDAY = 7  # a holiday is shopped for in the days up to it, itself included
HORIZON = 60
SCHEMA = """
    day date, weekday int, month int, season int, season_name string, year_sine double, year_cosine double,
    days_to_holiday int, days_since_holiday int, holiday string
"""


def calendar(spark: SparkSession, first: date, last: date, rule: str) -> DataFrame:
    """One row per day from `first` to `last`; `holiday` names the one that the day's purchases may be for, else null."""
    margin = timedelta(days=HORIZON)
    holidays = public_holidays(rule, first - margin, last + margin)
    days = [first + timedelta(days=passed) for passed in range((last - first).days + 1)]
    return spark.createDataFrame([_row(day, holidays) for day in days], SCHEMA)


def _row(day: date, holidays: dict[date, str]) -> tuple:
    to = min(((other - day).days for other in holidays if other >= day), default=HORIZON + 1)
    since = min(((day - other).days for other in holidays if other <= day), default=HORIZON + 1)
    season = day.month % 12 // 3
    angle = 2 * pi * (day.timetuple().tm_yday - 1) / 365.25
    name = holidays[day + timedelta(days=to)] if to < BEFORE_HOLIDAY else None
    near = [days if days <= HORIZON else None for days in (to, since)]
    return (day, day.isoweekday(), day.month, season + 1, SEASONS[season], sin(angle), cos(angle), *near, name)
