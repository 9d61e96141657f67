"""Public holidays by rule and from a list."""

from datetime import date

import pytest

from cartwheel.holidays import public_holidays


def test_the_federal_holidays_of_2017():
    days = public_holidays("us", date(2017, 1, 1), date(2017, 12, 31))
    assert [f"{day:%m-%d}" for day in days] == [
        "01-01", "01-16", "02-20", "05-29", "07-04", "09-04", "10-09", "11-11", "11-23", "12-25",
    ]  # fmt: skip
    assert days[date(2017, 11, 23)] == "Thanksgiving"


@pytest.mark.parametrize(
    ("year", "memorial", "thanksgiving"), [(2021, 31, 25), (2022, 30, 24), (2024, 27, 28), (2026, 25, 26), (2029, 28, 22)]
)
def test_movable_holidays(year, memorial, thanksgiving):
    days = {name: day for day, name in public_holidays("us", date(year, 1, 1), date(year, 12, 31)).items()}
    assert (days["Memorial Day"], days["Thanksgiving"]) == (date(year, 5, memorial), date(year, 11, thanksgiving))
    assert days["Juneteenth"] == date(year, 6, 19)


def test_holidays_of_any_range_across_years():
    found = public_holidays("us", date(2017, 12, 25), date(2018, 1, 15))
    assert list(found) == [date(2017, 12, 25), date(2018, 1, 1), date(2018, 1, 15)]


def test_a_list_of_dates_and_none():
    listed = "2017-12-24=Christmas Eve, 2018-05-01"
    assert public_holidays(listed, date(2017, 1, 1), date(2018, 12, 31)) == {
        date(2017, 12, 24): "Christmas Eve", date(2018, 5, 1): "holiday",
    }  # fmt: skip
    assert public_holidays(listed, date(2018, 1, 1), date(2018, 4, 30)) == {}
    assert public_holidays("none", date(2017, 1, 1), date(2017, 12, 31)) == {}


def test_a_wrong_entry_is_named():
    with pytest.raises(ValueError, match=r"CARTWHEEL_HOLIDAYS: '24\.12\.2017=Eve' is not a date with a name"):
        public_holidays("2017-12-25=Day,24.12.2017=Eve", date(2017, 1, 1), date(2017, 12, 31))
