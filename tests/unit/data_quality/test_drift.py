"""What drift says of days that are as usual, and of days with something planted; values by hand where they can be."""

import random
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality import drift
from data_quality.drift import Bins, Measurement, distribution, hours, missing, null_share, volume
from data_quality.profiles import REST, Profile, Profiles, profile_frame
from data_quality.thresholds import DISTRIBUTION, EXCEPTIONS, FRESHNESS, MEASURES, MISSING, NULLS, VOLUME, levels
from data_quality.validation import validate

DAY = date(2017, 11, 15)
DAYS = [DAY - timedelta(days=back) for back in range(1, 57)]
MEASURED = drift.pairs(["price", "region", "event_type"], ["region", "event_type"], ["price", "region"])


def shop_day(day: date, rows: int = 2000) -> pl.DataFrame:
    """A made-up day: half as many rows at weekends, 400 stores of unequal size, prices between 1 and 20."""
    dice = random.Random(day.toordinal())
    rows = int(rows * (0.5 if day.weekday() >= 5 else 1) * dice.uniform(0.9, 1.1))
    return pl.DataFrame(
        {
            "event_type": dice.choices(["purchase", "view"], [1, 9], k=rows),
            "price": [round(dice.lognormvariate(1, 0.7), 2) for _ in range(rows)],
            "region": [f"store-{int(400 * dice.random() ** 2)}" for _ in range(rows)],
        }
    )


HISTORY: dict[date, Profiles] = {day: profile_frame(shop_day(day)) for day in DAYS}


def told(frame: pl.DataFrame, history: dict[date, Profiles] = HISTORY) -> dict[str, set[str]]:
    """What warned and what failed, as the gate would judge it."""
    measurements = drift.measure(DAY, profile_frame(frame), history, MEASURED)
    (validated,) = validate([drift.check("shop, drift", drift.rule("shop", MEASURED), measurements)])
    found: dict[str, set[str]] = {"warn": set(), "fail": set()}
    for result in validated.results:
        if not result.success:
            found[result.level].add(": ".join(result.expectation.split(": ")[:2]))
    return found


def test_a_usual_day_is_told_nothing():
    assert told(shop_day(DAY)) == {"warn": set(), "fail": set()}


HALF = {f"store-{number}" for number in range(0, 400, 2)}


@pytest.mark.parametrize(
    ("planted", "caught"),
    [
        (lambda day: day.with_columns(pl.col("price") * 100), "price: distribution"),
        (lambda day: day.filter(pl.col("region").is_in(HALF)), "region: missing values"),
        (lambda day: day.with_columns(event_type=pl.col("event_type").replace("view", "seen")), "event_type: distribution"),
        (lambda day: day.with_columns(event_type=pl.col("event_type").replace("view", "seen")), "event_type: missing values"),
        (lambda day: day.with_columns(price=pl.lit(1.99)), "price: distribution"),
        (lambda day: day.with_columns(price=pl.lit(None, dtype=pl.Float64)), "price: null share"),
        (lambda day: day.head(200), "rows: volume"),
    ],
)
def test_a_planted_drift_fails_the_gate(planted, caught):
    assert caught in told(planted(shop_day(DAY)))["fail"]


def test_a_price_that_rises_by_half_warns():
    found = told(shop_day(DAY).with_columns(pl.col("price") * 1.5))
    assert found == {"warn": {"price: distribution"}, "fail": set()}


def test_a_new_shop_has_no_verdicts_and_is_told_so():
    history = {day: HISTORY[day] for day in DAYS[:3]}
    measurements = drift.measure(DAY, profile_frame(shop_day(DAY).head(1)), history, MEASURED)
    assert len(measurements) == len(MEASURED) > 0
    assert all(m.value is None and "no verdict: 3 days of history, 14 are needed" in m.said for m in measurements)
    assert told(shop_day(DAY).head(1), history) == {"warn": set(), "fail": set()}


def test_nothing_of_the_date_or_after_it_is_used():
    poisoned = HISTORY | {DAY + timedelta(days=ahead): {name: Profile(10**6) for name in HISTORY[DAYS[0]]} for ahead in range(3)}
    today = profile_frame(shop_day(DAY))
    assert drift.measure(DAY, today, poisoned, MEASURED) == drift.measure(DAY, today, HISTORY, MEASURED)


def test_volume_by_hand():
    # Every weekday has its own usual amount, and a spread of nothing: log 2 / 0.05 is 13.86.
    history = {day: 100.0 * (1 + day.weekday()) for day in DAYS}
    found = volume(DAY, 600, history)
    assert found.value == pytest.approx(13.86, abs=0.01)
    assert found.said == "z = 13.9: 600 rows, usual on this weekday are 300"
    assert volume(DAY, 300, history).value == 0


def test_volume_needs_three_of_the_same_weekday():
    history = {day: 100.0 for day in DAYS if day.weekday() != DAY.weekday() or day >= DAY - timedelta(days=14)}
    assert volume(DAY, 100, history).value is None


def test_null_share_by_hand():
    found = null_share("price", Profile(10, 4), [Profile(100, nulls) for nulls in [1] * 7 + [3] * 7])
    assert found == Measurement("price", NULLS, pytest.approx(0.38), "40.0% of 10 rows are null, usual are 2.0%")


def test_hours_by_hand():
    assert hours("newest event", FRESHNESS, 9.0, [1.0] * 14, "").value == 8
    assert hours("newest event", FRESHNESS, None, [1.0] * 14, "").value is None


def test_missing_by_hand():
    # Of 140 usual rows 42 are of b; each day of the history lacks nothing.
    found = missing("region", Profile(100, 0, {"a": 100}), [Profile(10, 0, {"a": 7, "b": 3})] * 14)
    assert found.value == pytest.approx(0.3)
    assert found.said == "1 values with 30.0% of the usual rows do not occur, such as b; usual are 0.0%"


def test_distribution_says_where_the_rows_are():
    trailing = [Profile(100, 0, {"web": 90, "app": 10})] * 14
    found = distribution("device", Profile(100, 0, {"web": 10, "till": 90}), trailing)
    assert found.value > 1
    assert "90.0% of the rows are none of the usual values, usual are 0.0%" in found.said
    assert distribution("device", Profile(100, 0, {"web": 90, "app": 10}), trailing).value < 0.01
    assert distribution("device", Profile(99, 0, {"till": 99}), trailing).value is None


def test_a_column_whose_type_has_changed_has_no_verdict():
    found = distribution("x", Profile(100, 0, {"1000": 100}, numbers=True), [Profile(100, 0, {"one": 100})] * 14)
    assert (found.value, "type has changed" in found.said) == (None, True)


def test_bins_by_hand():
    deciles = Bins({str(key): 10 for key in range(1, 11)}, numbers=True)
    assert deciles.edges == list(range(1, 10))
    assert [deciles.place(key) for key in ("0", "1", "2", "9", "10", "11")] == [0, 0, 1, 8, 9, 9]
    stuck = Bins({"5": 95, "7": 5}, numbers=True)
    assert (stuck.edges, stuck.histogram({"5": 1, "7": 2, "4": 4})) == ([5], [5, 2])
    texts = Bins({"a": 1, "b": 2, REST: 9}, numbers=False)
    assert (texts.values, texts.histogram({"a": 1, "c": 2, REST: 4})) == (["b", "a"], [0, 1, 6])


COUNTS = st.dictionaries(st.integers(-2000, 2000).map(str), st.integers(1, 10**6), min_size=1, max_size=60)


@given(COUNTS, COUNTS, st.booleans())
def test_bins_lose_no_row_of_any_day(pooled, counts, numbers):
    bins = Bins(pooled, numbers)
    assert sum(bins.histogram(counts)) == sum(counts.values())
    assert len(bins.histogram(counts)) == bins.size == len({bins.label(place) for place in range(bins.size)})


@given(COUNTS)
def test_a_day_like_all_others_has_drifted_nowhere(counts):
    enough = {key: count + 100 for key, count in counts.items()}
    found = distribution("x", Profile(sum(enough.values()), 0, enough, numbers=True), [Profile(1, 0, enough, numbers=True)] * 14)
    assert found.value == pytest.approx(0, abs=1e-9)


def test_every_measure_has_levels_and_every_exception_a_measure():
    assert {VOLUME, FRESHNESS, DISTRIBUTION, MISSING, NULLS} < MEASURES.keys()
    for _, limits in MEASURES.values():
        assert limits.fail is None or limits.warn < limits.fail
    for (dataset, column, measure), limits in EXCEPTIONS.items():
        assert measure in MEASURES and limits.warn < limits.fail
        assert levels(dataset, column, measure) == limits
