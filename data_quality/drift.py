"""Drift: how a date differs from the weeks before it, as rows, columns and nulls.

Works on profiles alone: `rules` says what is expected of the profiled columns, `check` puts a date to it. Where there
is too little history, or the date holds too few rows, there is no verdict, and the result says so. Thresholds: `thresholds`.
"""

import bisect
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import great_expectations.expectations as gxe
import pandas as pd

from data_quality import profiles as daily
from data_quality.checks import CRITICAL, WARNING, Check, Rule
from data_quality.measures import psi_terms, robust_z
from data_quality.profiles import Profile, Profiles
from data_quality.thresholds import (
    DISTRIBUTION,
    FRESHNESS,
    LATENESS,
    MEASURES,
    MIN_DAYS,
    MIN_ROWS,
    MIN_SAME_WEEKDAYS,
    MISSING,
    NULLS,
    TRAILING_DAYS,
    VOLUME,
    WEEKDAY_DAYS,
    levels,
)

NUMBER_BINS = 10
CATEGORIES = 20
ADVICE = (
    "compare the day's file with an earlier one; have a broken delivery mended and delivered again under its key. "
    "If the change is real, raise the threshold in data_quality/thresholds.py knowingly"
)
SIDES = {VOLUME: "both", NULLS: "both", FRESHNESS: "above", LATENESS: "above", DISTRIBUTION: "above", MISSING: "above"}
LEAST_SPREAD_OF_VOLUME = 0.05  # of the logarithm: five percent
LEAST_SPREAD_OF_HOURS = 1.0


@dataclass(frozen=True)
class Measurement:
    """What was measured, in figures and words; `value` is None where there is no verdict."""

    column: str
    measure: str
    value: float | None
    said: str

    @property
    def name(self) -> str:
        return measured_name(self.column, self.measure)


def measured_name(column: str, measure: str) -> str:
    return f"{column}: {measure}"


def rule(dataset: str, measured: Iterable[tuple[str, str]]) -> Rule:
    """What is expected of the measured (column, measure) pairs of a dataset: not past the level that warns, nor that fails."""
    expectations: list[gxe.Expectation] = []
    for column, measure in measured:
        name, limits = measured_name(column, measure), levels(dataset, column, measure)
        for limit, severity in ((limits.warn, WARNING), (limits.fail, CRITICAL)):
            if limit is not None:
                low = -limit if SIDES[measure] == "both" else None
                described = f"{name}: {MEASURES[measure][0]}, at most {limit:g}"
                expectations.append(
                    gxe.ExpectColumnValuesToBeBetween(
                        column=name, min_value=low, max_value=limit, description=described, severity=severity
                    )
                )
    return Rule(expectations, ADVICE)


def check(name: str, dataset_rule: Rule, measurements: Sequence[Measurement]) -> Check:
    """The measurements as one row of a frame: a column each."""
    frame = pd.DataFrame({m.name: pd.Series([m.value], dtype="float64") for m in measurements})
    return Check(name, frame, dataset_rule, {m.name: m.said for m in measurements})


def measure_and_save(dataset: str, day: date, today: Profiles, measured: Sequence[tuple[str, str]]) -> list[Measurement]:
    """Record the profiles of a dataset's date, and measure them against those of the weeks before."""
    daily.save(dataset, {day: today})
    return measure(day, today, daily.load_before(dataset, day, WEEKDAY_DAYS), measured)


def measure(
    day: date, today: Profiles, history: Mapping[date, Profiles], measured: Sequence[tuple[str, str]]
) -> list[Measurement]:
    """The (column, measure) pairs that can be told from profiles: volume, distributions, missing values and null shares."""
    rows = {past: columns[daily.ROWS].rows for past, columns in history.items()}
    trailing = [history[past] for past in daily.days_before(day, TRAILING_DAYS) if past in history]
    found = []
    for column, name in measured:
        if name == VOLUME:
            found.append(volume(day, today[daily.ROWS].rows, rows))
        else:
            past = [columns[column] for columns in trailing if column in columns]
            found.append(COMPARISONS[name](column, today[column], past))
    return found


def pairs(distributions: Iterable[str] = (), missing: Iterable[str] = (), nulls: Iterable[str] = ()) -> list[tuple[str, str]]:
    """What is measured of a dataset: its volume, the distributions of some columns, missing values and nulls of some."""
    return [
        (daily.ROWS, VOLUME),
        *((column, DISTRIBUTION) for column in distributions),
        *((column, MISSING) for column in missing),
        *((column, NULLS) for column in nulls),
    ]


def volume(day: date, amount: float, history: Mapping[date, float], column: str = daily.ROWS) -> Measurement:
    """The robust z-score of log(amount / median amount of the same weekday), against that of the days before."""
    days = [past for past in daily.days_before(day, WEEKDAY_DAYS) if history.get(past, 0) > 0]
    same = [past for past in days if past.weekday() == day.weekday()]
    if len(days) < MIN_DAYS or len(same) < MIN_SAME_WEEKDAYS:
        return no_history(column, VOLUME, len(days), f"{amount:.0f} {column}; ")
    usual = {
        weekday: statistics.median(history[past] for past in days if past.weekday() == weekday)
        for weekday in {past.weekday() for past in days}
    }
    residuals = [math.log(history[past] / usual[past.weekday()]) for past in days]
    expected = usual[day.weekday()]
    z = robust_z(math.log(max(amount, 0.5) / expected), residuals, LEAST_SPREAD_OF_VOLUME)
    return Measurement(column, VOLUME, z, f"z = {z:.1f}: {amount:.0f} {column}, usual on this weekday are {expected:.0f}")


def hours(column: str, measure_name: str, value: float | None, history: Sequence[float], told: str) -> Measurement:
    """The robust z-score of a number of hours."""
    if value is None or len(history) < MIN_DAYS:
        return no_history(column, measure_name, len(history))
    z, usual = robust_z(value, history, LEAST_SPREAD_OF_HOURS), statistics.median(history)
    return Measurement(column, measure_name, z, f"z = {z:.1f}: {told} {value:.1f} h, usual are {usual:.1f} h")


def null_share(column: str, today: Profile, trailing: Sequence[Profile]) -> Measurement:
    """How far the share of nulls is from its median."""
    if len(trailing) < MIN_DAYS:
        return no_history(column, NULLS, len(trailing))
    usual = statistics.median(past.null_share for past in trailing)
    said = f"{today.null_share:.1%} of {today.rows} rows are null, usual are {usual:.1%}"
    return Measurement(column, NULLS, today.null_share - usual, said)


def distribution(column: str, today: Profile, trailing: Sequence[Profile]) -> Measurement:
    """The PSI of the day against the trailing days together, less the median PSI of those days one by one.

    Single days always differ from their mean, the more so the fewer rows they have and the more those come in baskets:
    what they differ by usually is no drift.
    """
    if len(trailing) < MIN_DAYS:
        return no_history(column, DISTRIBUTION, len(trailing))
    if today.rows - today.nulls < MIN_ROWS:
        return too_few(column, DISTRIBUTION, today.rows - today.nulls)
    if any(past.numbers != today.numbers for past in trailing):
        return Measurement(column, DISTRIBUTION, None, "no verdict: the column's type has changed within the trailing days")
    pooled: Counter[str] = Counter()
    for past in trailing:
        pooled.update(past.counts)
    if not pooled:
        return Measurement(column, DISTRIBUTION, None, "no verdict: the column was empty until now")
    bins = Bins(pooled, today.numbers)
    expected, actual = bins.histogram(pooled), bins.histogram(today.counts)
    terms = psi_terms(expected, actual)
    usual = statistics.median(sum(psi_terms(expected, bins.histogram(past.counts))) for past in trailing)
    worst = max(range(len(terms)), key=terms.__getitem__)
    said = (
        f"PSI {sum(terms):.2f}, usual is {usual:.2f}; most of it: {actual[worst] / sum(actual):.1%} of the rows are"
        f" {bins.label(worst)}, usual are {expected[worst] / sum(expected):.1%}"
    )
    return Measurement(column, DISTRIBUTION, sum(terms) - usual, said)


def missing(column: str, today: Profile, trailing: Sequence[Profile]) -> Measurement:
    """Which of the usual values the day lacks, by the rows they usually have, less what single days lack usually.

    It sees what the distribution cannot: half of a thousand shops gone, each of which has hardly a row.
    """
    if len(trailing) < MIN_DAYS:
        return no_history(column, MISSING, len(trailing))
    if today.rows - today.nulls < MIN_ROWS:
        return too_few(column, MISSING, today.rows - today.nulls)
    pooled: Counter[str] = Counter()
    for past in trailing:
        pooled.update(past.counts)
    total = max(sum(pooled.values()), 1)
    usual = statistics.median(1 - sum(pooled[value] for value in past.counts) / total for past in trailing)
    lacking = sorted(pooled.keys() - today.counts.keys(), key=lambda value: (-pooled[value], value))
    share = sum(pooled[value] for value in lacking) / total
    examples = f", such as {', '.join(lacking[:3])}" if lacking else ""
    said = f"{len(lacking)} values with {share:.1%} of the usual rows do not occur{examples}; usual are {usual:.1%}"
    return Measurement(column, MISSING, share - usual, said)


def too_few(column: str, measure_name: str, rows: int) -> Measurement:
    return Measurement(column, measure_name, None, f"no verdict: {rows} rows, {MIN_ROWS} are needed")


def no_history(column: str, measure_name: str, days: int, before: str = "") -> Measurement:
    needed = f"{MIN_DAYS} are needed" + (f", {MIN_SAME_WEEKDAYS} of the same weekday" if measure_name == VOLUME else "")
    return Measurement(column, measure_name, None, f"{before}no verdict: {days} days of history, {needed}")


COMPARISONS = {DISTRIBUTION: distribution, MISSING: missing, NULLS: null_share}


class Bins:
    """The bins of a column: deciles of numbers; the most frequent values of texts, and the rest."""

    def __init__(self, pooled: Mapping[str, int], numbers: bool):
        self.numbers = numbers
        if numbers:
            keys = sorted(map(int, pooled))
            reached = [NUMBER_BINS * rows for rows in accumulate(pooled[str(key)] for key in keys)]
            # A bin ends with its edge. A value that holds several deciles is one edge.
            deciles = range(1, NUMBER_BINS)
            self.edges = sorted({keys[bisect.bisect_left(reached, decile * reached[-1] // NUMBER_BINS)] for decile in deciles})
            self.size = len(self.edges) + 1
        else:
            named = [value for value in pooled if value != daily.REST]
            self.values = sorted(named, key=lambda value: (-pooled[value], value))[:CATEGORIES]
            self.size = len(self.values) + 1

    def place(self, key: str) -> int:
        if self.numbers:
            return bisect.bisect_left(self.edges, int(key))
        return self.values.index(key) if key in self.values else len(self.values)

    def histogram(self, counts: Mapping[str, int]) -> list[int]:
        found = [0] * self.size
        for key, count in counts.items():
            found[self.place(key)] += count
        return found

    def label(self, place: int) -> str:
        """What the rows of a bin are, in words."""
        if not self.numbers:
            return f"{self.values[place]!r}" if place < len(self.values) else "none of the usual values"
        low = f"above {daily.bucket_value(self.edges[place - 1]):.3g}" if place > 0 else ""
        high = f"at most {daily.bucket_value(self.edges[place]):.3g}" if place < len(self.edges) else ""
        return " and ".join(part for part in (low, high) if part) or "any number"
