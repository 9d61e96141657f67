"""Daily profiles: a column of a dataset on one date as a small histogram, kept in `ops.daily_profiles`.

A gate compares a date with the weeks before it by their profiles, so that its cost does not follow the history. Texts are
counted by value, the 200 most frequent and the rest; numbers by logarithmic buckets of 4 %, which add up over days and
from which quantiles can be read. Columns that identify people are never counted by value.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from cartwheel import warehouse

BASE = 1.04
OFFSET = 1000  # of a bucket: numbers from 1e-17 to 1e17 have one of their own
MOST_VALUES = 200
REST = "(rest)"
LONGEST_VALUE = 100


@dataclass(frozen=True)
class Profile:
    """One column on one date: `counts` of the rows that are not null, by value, or of `numbers` by bucket."""

    rows: int
    nulls: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    numbers: bool = False

    def __add__(self, other: "Profile") -> "Profile":
        """The profile of the rows of both; of no rows, the other."""
        if not (self.rows and other.rows):
            return self if self.rows else other
        counts = dict(Counter(self.counts) + Counter(other.counts))
        return Profile(self.rows + other.rows, self.nulls + other.nulls, counts, self.numbers)

    @property
    def null_share(self) -> float:
        return self.nulls / self.rows if self.rows else 0.0


Profiles = dict[str, Profile]  # by column; ROWS has the rows of the whole dataset
ROWS = "rows"


def bucket(numbers: pl.Expr) -> pl.Expr:
    """The logarithmic bucket of each number, growing with it; what is not a finite number has none.

    0 is bucket 0, and ±x is bucket ±(ceil(log(x) / log(1.04)) + 1000).
    """
    sized = (numbers.abs().log(BASE).ceil() + OFFSET).clip(1, 2 * OFFSET)
    key = pl.when(numbers == 0).then(0.0).otherwise(numbers.sign() * sized)
    return pl.when(numbers.is_finite()).then(key).cast(pl.Int64)


def bucket_value(key: int) -> float:
    """The largest size of a number in the bucket, with its sign."""
    return 0.0 if key == 0 else (1 if key > 0 else -1) * BASE ** (abs(key) - OFFSET)


def profile(values: pl.DataFrame) -> Profile:
    """The profile of a column, given as its distinct `value`s and the number of `rows` that hold each."""
    numbers, value, total = values.schema["value"].is_numeric(), pl.col("value"), int(values["rows"].sum())
    key = bucket(value.cast(pl.Float64)).cast(pl.String) if numbers else value.cast(pl.String).str.slice(0, LONGEST_VALUE)
    counted = values.group_by(key.alias("key")).agg(pl.col("rows").sum()).drop_nulls("key")
    known = int(counted["rows"].sum())
    kept = counted.sort(["rows", "key"], descending=[True, False]).head(len(counted) if numbers else MOST_VALUES)
    counts: dict[str, int] = dict(kept.iter_rows())
    if rest := known - sum(counts.values()):
        counts[REST] = rest
    return Profile(total, total - known, counts, numbers)


def profile_frame(frame: pl.DataFrame) -> Profiles:
    """The profiles of all columns of a frame."""
    columns = {
        name: profile(frame.group_by(pl.col(name).alias("value")).agg(pl.len().cast(pl.Int64).alias("rows")))
        for name in frame.columns
    }
    return {ROWS: Profile(len(frame)), **columns}


def save(dataset: str, by_date: dict[date, Profiles]) -> None:
    """Replace the profiles of these dates."""
    forget(dataset, by_date)
    with warehouse.connect() as connection:
        connection.cursor().executemany(
            "insert into ops.daily_profiles (dataset, business_date, column_name, rows, nulls, counts, numbers)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (dataset, day, column, found.rows, found.nulls, json.dumps(found.counts), found.numbers)
                for day, profiles in sorted(by_date.items())
                for column, found in profiles.items()
            ],
        )


def load(dataset: str, first: date, last: date) -> dict[date, Profiles]:
    """The profiles of a dataset from `first` to `last`, by date."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            "select business_date, column_name, rows, nulls, counts, numbers from ops.daily_profiles"
            " where dataset = %s and business_date between %s and %s order by business_date, column_name",
            (dataset, first, last),
        ).fetchall()
    by_date: dict[date, Profiles] = {}
    for day, column, *found in rows:
        by_date.setdefault(day, {})[column] = Profile(*found)
    return by_date


def load_before(dataset: str, day: date, days: int) -> dict[date, Profiles]:
    """The profiles of the `days` dates before `day`."""
    return load(dataset, day - timedelta(days=days), day - timedelta(days=1))


def forget(dataset: str, days: Iterable[date]) -> None:
    """Remove the profiles of dates whose data has changed."""
    with warehouse.connect() as connection:
        connection.execute("delete from ops.daily_profiles where dataset = %s and business_date = any(%s)", (dataset, list(days)))


def days_before(day: date, count: int) -> list[date]:
    """The `count` dates before `day`, the earliest first."""
    return [day - timedelta(days=back) for back in range(count, 0, -1)]
