"""Calendar and context features, against values worked out by hand."""

from datetime import date, timedelta
from math import log

import pytest
from spark_jobs_shop import DAY, TINY_SHOP, purchase

from spark_jobs import context_features, context_item_features
from spark_jobs.history import purchase_history
from spark_jobs.shop_calendar import calendar


def test_the_calendar_knows_what_a_day_is_near_to(spark):
    rows = {row.day: row for row in calendar(spark, date(2017, 11, 20), date(2018, 1, 1), "us").collect()}
    assert len(rows) == 43
    eve, thanksgiving, after = (rows[date(2017, 11, day)] for day in (22, 23, 24))
    assert (eve.weekday, eve.month, eve.season, eve.season_name) == (3, 11, 4, "autumn")
    assert (eve.days_to_holiday, eve.days_since_holiday, eve.holiday) == (1, 11, "Thanksgiving")  # after Veterans Day
    assert (thanksgiving.days_to_holiday, thanksgiving.days_since_holiday, thanksgiving.holiday) == (0, 0, "Thanksgiving")
    assert (after.days_to_holiday, after.days_since_holiday, after.holiday) == (31, 1, None)
    assert [rows[date(2017, 12, day)].holiday for day in (18, 19)] == [None, "Christmas Day"]
    new_year = rows[date(2018, 1, 1)]
    assert (new_year.year_sine, new_year.year_cosine, new_year.season_name) == (0, 1, "winter")


def test_without_holidays_none_is_near(spark):
    (row,) = calendar(spark, DAY, DAY, "none").collect()
    assert (row.days_to_holiday, row.days_since_holiday, row.holiday) == (None, None, None)


def test_days_ahead_with_the_lift_of_their_weekday(spark, frame):
    """In the 90 days to Friday 31 March 2017: 12 Sundays with 24 purchases, 13 Fridays with 13; nothing on other days."""
    sundays, fridays = date(2017, 1, 8), date(2017, 1, 6)
    events = [purchase(f"u{n}", "tea", f"{sundays + timedelta(weeks=week):%m-%d}") for week in range(12) for n in range(2)]
    events += [purchase("ann", "tea", f"{fridays + timedelta(weeks=week):%m-%d}") for week in range(13)]
    ahead = calendar(spark, DAY + timedelta(days=1), DAY + timedelta(days=7), "none")
    found = context_features.transform(DAY, purchase_history(frame("interactions", events), DAY, 2), ahead).collect()
    lifts = {row.day: row.weekday_lift_90 for row in found}
    assert len(lifts) == 7
    # 2017-01-01, the first day of the window, is a Sunday too: 13 Sundays.
    assert lifts[date(2017, 4, 2)] == pytest.approx(log((24 / 13) / (37 / 90)))
    assert lifts[date(2017, 4, 7)] == pytest.approx(log((13 / 13) / (37 / 90)))
    assert lifts[date(2017, 4, 3)] is None


@pytest.fixture(scope="module")
def lifts(spark, frame):
    """Context, value and item → purchases, share and lift. Tea sells in the morning and in the north, milk all over."""
    events = [purchase(f"u{n}", "tea", "03-10 08:00", region="north", device="till") for n in range(10)]
    events += [purchase(f"u{n}", "milk", "03-10 08:30", region="north", device="till") for n in range(5)]
    events += [purchase(f"u{n}", "milk", "03-10 21:00", region="south", device="till") for n in range(25)]
    events += [purchase(f"u{n}", "jam", "03-10 21:00", region="south", device="till") for n in range(1)]
    events += [purchase(f"u{n}", "gone", "03-10 08:00", region="north") for n in range(100)]  # no candidate: does not count
    events += [purchase("late", "tea", "04-01 00:00", region="south")]
    catalogue = frame("items", [{"item_id": item} for item in ("milk", "tea", "jam")])
    days = calendar(spark, date(2017, 1, 1), DAY, "us")
    rows = context_item_features.transform(DAY, frame("interactions", events), catalogue, days).collect()
    return {(row.context, row.value, row.item_id): (row.purchases, row.share, row.log_lift) for row in rows}


def test_lifts_compare_with_what_sells_like_the_whole_catalogue(lifts):
    """15 of 41 purchases are made in the north, all from 6 to 9 h: tea would sell 10 × 15 / 41 there, milk 30 × 15 / 41."""
    assert lifts["region", "north", "tea"] == pytest.approx((10, 1, log((10 + 20) / (10 * 15 / 41 + 20))))
    assert lifts["region", "north", "milk"] == pytest.approx((5, 5 / 30, log((5 + 20) / (30 * 15 / 41 + 20))))
    assert lifts["part_of_day", "06-09", "tea"] == lifts["region", "north", "tea"]
    assert lifts["part_of_day", "21-24", "milk"] == pytest.approx((25, 25 / 30, log((25 + 20) / (30 * 26 / 41 + 20))))


def test_one_purchase_and_a_context_with_one_value_say_nothing(lifts):
    assert {(context, value) for context, value, _ in lifts} == {
        ("region", "north"), ("region", "south"), ("part_of_day", "06-09"), ("part_of_day", "21-24"),
    }  # fmt: skip
    assert ("region", "south", "jam") not in lifts  # bought once
    assert ("region", "south", "tea") not in lifts  # only after the date


def test_seasons_are_told_of_items_on_sale_all_the_time(spark, frame):
    """Milk sells from January to March, tea from March only: that it sells in spring is its life, not a season."""
    events = [purchase(f"u{n}", "milk", when) for when in ("01-02", "03-30") for n in range(2 if when < "02" else 6)]
    events += [purchase(f"u{n}", "tea", "03-30") for n in range(4)]
    catalogue = frame("items", [{"item_id": item} for item in ("milk", "tea")])
    days = calendar(spark, date(2017, 1, 1), DAY, "2017-01-03=Sales")
    rows = context_item_features.transform(DAY, frame("interactions", events), catalogue, days).collect()
    found = {(row.context, row.value, row.item_id): row.log_lift for row in rows if row.context in ("season", "holiday")}
    assert found == {
        ("season", "winter", "milk"): pytest.approx(log((2 + 20) / (8 * 2 / 12 + 20))),
        ("season", "spring", "milk"): pytest.approx(log((6 + 20) / (8 * 10 / 12 + 20))),
        ("holiday", "Sales", "milk"): pytest.approx(log((2 + 20) / (8 * 2 / 12 + 20))),
    }


def test_the_tiny_shop_without_regions_and_devices_has_no_such_context(spark, frame):
    catalogue = frame("items", [{"item_id": "milk"}])
    days = calendar(spark, date(2017, 1, 1), DAY, "none")
    rows = context_item_features.transform(DAY, frame("interactions", TINY_SHOP), catalogue, days).collect()
    assert {row.context for row in rows} == {"season", "weekday"}
