"""Times in any spelling, against Python's own datetime and zoneinfo."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwheel.shop import times

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def read(text: str, formats: str | list[str] = "iso", zone: str = "UTC") -> datetime | str | None:
    """The time in UTC, or the problem."""
    parsed = times.parse(pl.col("t"), [formats] if isinstance(formats, str) else formats, zone)
    row = pl.DataFrame({"t": [text]}, schema={"t": pl.String}).select(
        at=parsed.at, unreadable=parsed.unreadable.fill_null(False), skipped=parsed.skipped.fill_null(False)
    )
    at, unreadable, skipped = row.row(0)
    assert [at is not None, unreadable, skipped].count(True) == (0 if text is None else 1)
    return "unreadable" if unreadable else "skipped" if skipped else at


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "formats", "zone", "expected"),
    [
        ("2017-12-01T08:26:01Z", "iso", "Europe/Berlin", utc(2017, 12, 1, 8, 26, 1)),
        ("2017-12-01 08:26:01+01:00", "iso", "UTC", utc(2017, 12, 1, 7, 26, 1)),
        ("2017-12-01 08:26:01.5 +0100", "iso", "UTC", utc(2017, 12, 1, 7, 26, 1, 500000)),
        ("2017-12-01T08:26:01+02", "iso", "UTC", utc(2017, 12, 1, 6, 26, 1)),
        ("2019-11-01 00:00:14 UTC", "iso", "Europe/Berlin", utc(2019, 11, 1, 0, 0, 14)),
        ("2017-12-01T08:26Z", "iso", "UTC", utc(2017, 12, 1, 8, 26)),
        ("2017-12-01 08:26", "iso", "Europe/Berlin", utc(2017, 12, 1, 7, 26)),
        ("2017-12-01 08:26:01,123", "iso", "UTC", utc(2017, 12, 1, 8, 26, 1, 123000)),
        ("2017-12-01", "iso", "Europe/Berlin", utc(2017, 11, 30, 23)),
        ("12/1/2010 8:26", "%m/%d/%Y %H:%M", "Europe/London", utc(2010, 12, 1, 8, 26)),
        ("1/12/10 8:05 pm", "%d/%m/%y %I:%M %p", "UTC", utc(2010, 12, 1, 20, 5)),
        ("1-DEC-2010", "%d-%b-%Y", "UTC", utc(2010, 12, 1)),
        ("20101201", "%Y%m%d", "UTC", utc(2010, 12, 1)),
        ("2010-12-01 08", "%Y-%m-%d %H", "UTC", utc(2010, 12, 1, 8)),
        ("2010-12-01 08:00:00.25", "%Y-%m-%d %H:%M:%S.%f", "UTC", utc(2010, 12, 1, 8, 0, 0, 250000)),
        ("01 13, 2013", "%m %d, %Y", "UTC", utc(2013, 1, 13)),
        ("1433221332117", "unix_ms", "Europe/Berlin", utc(2015, 6, 2, 5, 2, 12, 117000)),
        ("1331438400", "unix_s", "UTC", utc(2012, 3, 11, 4)),
        ("1331438400.0", "unix_s", "UTC", utc(2012, 3, 11, 4)),
        ("5/6/2011", ["%Y-%m-%d", "%d/%m/%Y"], "UTC", utc(2011, 6, 5)),
        ("2011-06-05", ["%Y-%m-%d", "%d/%m/%Y"], "UTC", utc(2011, 6, 5)),
        # Daylight saving: 02:30 does not exist on 26 March 2017 in Berlin and comes twice on 29 October.
        ("2017-03-26 02:30:00", "iso", "Europe/Berlin", "skipped"),
        ("26/03/2017 02:30", "%d/%m/%Y %H:%M", "Europe/Berlin", "skipped"),
        ("2017-10-29 02:30:00", "iso", "Europe/Berlin", utc(2017, 10, 29, 0, 30)),
        ("2017-03-26 02:30:00", "iso", "UTC", utc(2017, 3, 26, 2, 30)),
        ("2017-02-30", "iso", "UTC", "unreadable"),
        ("2017-12-01 25:00:00", "iso", "UTC", "unreadable"),
        ("10-12-01", "%Y-%m-%d", "UTC", "unreadable"),  # the year 10
        ("soon", "iso", "UTC", "unreadable"),
        ("", "iso", "UTC", "unreadable"),
        ("1e300", "unix_ms", "UTC", "unreadable"),
        ("9999999999999999999", "unix_s", "UTC", "unreadable"),
        ("2010-12-01 08:26", "%Y-%m-%d", "UTC", "unreadable"),
        (None, "iso", "UTC", None),
    ],
)  # fmt: skip
def test_times_worked_out_by_hand(text: str, formats: str | list[str], zone: str, expected: object):
    assert read(text, formats, zone) == expected


@settings(max_examples=150)
@given(
    clock=st.datetimes(datetime(1900, 1, 2), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    zone=st.sampled_from(ZONES),
    spelling=st.sampled_from(["iso", "%d/%m/%Y %H:%M:%S", "%Y%m%d%H%M%S", "%b %d %Y %I:%M:%S %p"]),
)
def test_a_local_time_is_what_zoneinfo_makes_of_it(clock: datetime, zone: str, spelling: str):
    text = clock.isoformat(" ") if spelling == "iso" else clock.strftime(spelling)
    earlier = clock.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    exists = earlier.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == clock
    assert read(text, spelling, zone) == (earlier if exists else "skipped")


@settings(max_examples=100)
@given(ticks=st.integers(-2_000_000_000_000_000, 200_000_000_000_000_000), unit=st.sampled_from(sorted(times.UNIX)))
def test_epochs_keep_every_microsecond(ticks: int, unit: str):
    count = ticks // times.UNIX[unit]
    assert read(str(count), unit) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count * times.UNIX[unit])


@settings(max_examples=40)
@given(text=st.text("0123456789-/:T .+Zaé", max_size=25), zone=st.sampled_from(ZONES))
def test_any_text_is_a_time_or_a_problem_never_both(text: str, zone: str):
    for formats in (["iso"], ["unix_ms"], ["%d/%m/%Y %H:%M", "%Y%m%d"]):
        read(text, formats, zone)


@pytest.mark.parametrize("spelling", ["", "abc", "%H:%M", "%d/%m", "YYYY-MM-DD", "%Q"])
def test_a_format_that_names_no_date_is_an_error(spelling: str):
    with pytest.raises(ValueError, match="is no way to write a date"):
        times.check_format(spelling)


@pytest.mark.parametrize(
    "spelling", ["iso", "unix_s", "%d/%m/%Y", "%m/%d/%y %I:%M %p", "%Y-%m-%dT%H:%M:%S%z", "%d %b %Y", "%Y-%m-%d %H", "%Y%j"]
)
def test_usual_formats_are_none(spelling: str):
    times.check_format(spelling)
