"""Bars and intervals stay within the plot."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from serving_export.explorer.charts import HEIGHT, WIDTH, bars, every_week, interval


def test_bars_by_hand():
    first, second = bars([("a", 5), ("b", 10)], [True, False])
    assert (first.x, first.y, first.width, first.height, first.marked) == (0, 20, 41, 20, True)
    assert (second.x, second.y, second.height) == (50, 0, 40)


@given(st.lists(st.floats(-1e9, 1e9), max_size=60))
def test_no_bar_leaves_the_plot(values):
    for bar in bars([("", value) for value in values]):
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= HEIGHT and abs(bar.y + bar.height - HEIGHT) < 0.01


def test_an_interval_on_its_axis():
    assert interval(0.1, 0.2, 0.3, top=0.4) == interval(0.1, 0.2, 0.3, 0.4)
    assert (interval(0.1, 0.2, 0.4, 0.4).low, interval(-1, 0.2, 9, 0.4).low, interval(-1, 0.2, 9, 0.4).high) == (25, 0, 100)
    assert interval(0, 0, 0, top=0).value == 0


def test_weeks_run_from_the_first_value_without_a_gap():
    values = {date(2017, 11, 6): 2.0, date(2017, 11, 20): 3.0}
    assert every_week(values, date(2017, 12, 1), at_most=52) == [
        (date(2017, 11, 6), 2.0), (date(2017, 11, 13), 0.0), (date(2017, 11, 20), 3.0), (date(2017, 11, 27), 0.0),
    ]  # fmt: skip
    assert [day for day, _ in every_week(values, date(2017, 12, 1), at_most=2)] == [date(2017, 11, 20), date(2017, 11, 27)]
