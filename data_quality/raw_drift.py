"""Drift of the interactions: rows, distributions, nulls and times of a date against the weeks before it.

Reads `raw.interactions` for the dates without a current profile (the date itself, pending ones, and those of the trailing
weeks that were never profiled), writes `ops.daily_profiles`; reads `ops.loaded_files` for when the files came.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import psycopg

from cartwheel import warehouse
from cartwheel.contracts import INTERACTIONS
from data_quality import drift
from data_quality import profiles as daily
from data_quality.checks import Check, Rule
from data_quality.drift import Measurement
from data_quality.profiles import Profile, Profiles, profile
from data_quality.thresholds import FRESHNESS, LATENESS, WEEKDAY_DAYS

DATASET = "raw.interactions"
NAME = f"{DATASET}, drift"

# `hour` is the event's hour, in UTC, and null for events of earlier dates.
HOUR = "case when event_ts >= business_date then extract(hour from event_ts)::int::text end"
DISTRIBUTIONS = {name: name for name in ("event_type", "price", "quantity", "region", "device")} | {"hour": HOUR}
NULLS = [field.name for field in INTERACTIONS.fields if not field.required] + ["hour"]
FROM_PROFILES = drift.pairs(DISTRIBUTIONS, ("event_type", "region", "device"), NULLS)
TIMES = [("newest event", FRESHNESS), ("last file", LATENESS)]


def rule() -> Rule:
    return drift.rule(DATASET, [*FROM_PROFILES, *TIMES])


def check(day: date, pending: list[date]) -> Check:
    """Profile what has no current profile, and put the date to the rule."""
    refresh(day, pending)
    return drift.check(NAME, rule(), measurements(day))


def measurements(day: date) -> list[Measurement]:
    """The date as its profiles say it is, against those of the weeks before."""
    history = daily.load(DATASET, day - timedelta(days=WEEKDAY_DAYS), day)
    today = history.pop(day, None) or {name: Profile(0) for name in (daily.ROWS, *DISTRIBUTIONS, *NULLS)}
    return [
        *drift.measure(day, today, history, FROM_PROFILES),
        freshness(today, history),
        lateness(day, hours_until_loaded(day)),
    ]


def freshness(today: Profiles, history: Mapping[date, Profiles]) -> Measurement:
    """How old the newest event is at the end of the date, in whole hours."""
    ages = [age for past in history.values() if (age := newest_age(past["hour"])) is not None]
    return drift.hours(*TIMES[0], newest_age(today["hour"]), ages, "at the end of the date the newest event is older than")


def newest_age(hour: Profile) -> float | None:
    return 23.0 - max(map(int, hour.counts)) if hour.counts else None


def lateness(day: date, loaded: dict[date, float]) -> Measurement:
    """How long after the end of the date its last file was loaded."""
    today = loaded.pop(day, None)
    return drift.hours(*TIMES[1], today, list(loaded.values()), "from the end of the date until its last file was loaded passed")


def hours_until_loaded(day: date) -> dict[date, float]:
    """For the date and the weeks before it: hours from the end of each until its last file was loaded."""
    query = """
        select
            dates.business_date,
            extract(epoch from max(files.loaded_at) - (dates.business_date + 1)::timestamptz)::float8 / 3600
        from ops.loaded_dates as dates
        inner join ops.loaded_files as files using (key, source)
        where dates.dataset = 'interactions' and dates.rows > 0 and dates.business_date between %s and %s
        group by dates.business_date
    """
    with warehouse.connect() as connection:
        return dict(connection.execute(query, (day - timedelta(days=WEEKDAY_DAYS), day)).fetchall())


def refresh(day: date, pending: list[date]) -> None:
    """Bring the profiles of the trailing weeks and the date up to date; forget older ones that no longer hold."""
    daily.forget(DATASET, pending)
    first = day - timedelta(days=WEEKDAY_DAYS)
    profiled = daily.load(DATASET, first, day)
    with warehouse.connect() as connection:
        held = connection.execute(
            "select distinct business_date from ops.loaded_dates"
            " where dataset = 'interactions' and rows > 0 and business_date between %s and %s",
            (first, day),
        ).fetchall()
        missing = sorted({date_ for (date_,) in held} - profiled.keys())
        if missing:
            daily.save(DATASET, profile_dates(connection, missing))


def profile_dates(connection: psycopg.Connection, dates: list[date]) -> dict[date, Profiles]:
    """The profiles of these dates, each column in one scan of their partitions."""
    counted = ", ".join(f"count(*) - count({name})" for name in NULLS if name not in DISTRIBUTIONS)
    rows = connection.execute(
        f"select business_date, count(*), {counted} from raw.interactions where business_date = any(%s) group by 1", (dates,)
    ).fetchall()
    names = [name for name in NULLS if name not in DISTRIBUTIONS]
    found: dict[date, Profiles] = {
        day: {daily.ROWS: Profile(count)} | {name: Profile(count, nulls) for name, nulls in zip(names, null_counts, strict=True)}
        for day, count, *null_counts in rows
    }
    for name, expression in DISTRIBUTIONS.items():
        values = connection.execute(
            f"select business_date, {expression}, count(*) from raw.interactions where business_date = any(%s) group by 1, 2",
            (dates,),
        ).fetchall()
        kind = pl.Float64 if name in ("price", "quantity") else pl.String
        frame = pl.DataFrame(values, schema={"day": pl.Date, "value": kind, "rows": pl.Int64}, orient="row")
        for (day,), of_day in frame.group_by("day"):
            found[day][name] = profile(of_day.drop("day"))
    return found
