"""Every row is accepted in the types of the contract, or rejected with its first reason, line and original text."""

import json
from datetime import UTC, date, datetime

import pytest
from landed_files import DAY, KEY, NOW, read

from cartwheel.shop.mapping import parse_mapping

HEADER = "event_id,event_type,user_id,item_id,event_ts,quantity,price,context\n"
GOOD = "e0,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,"
BY_ROW = parse_mapping("sources: {events: {dataset: interactions, files: events.csv}}", "by row")


def read_rows(*rows: str):
    return read((HEADER + "\n".join(rows)).encode())


def test_a_good_row_has_the_types_of_the_contract():
    row = read_rows('e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1.50,"{""week"": 1}"').accepted.row(0, named=True)
    assert (row["business_date"], row["line"], row["event_id"], row["quantity"], row["price"]) == (DAY, 2, "e1", 2.0, 1.5)
    assert row["event_ts"] == datetime(2017, 11, 30, 10, tzinfo=UTC)
    assert json.loads(row["context"]) == {"week": 1}
    assert row["region"] is None  # a column the file does not have


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("e1,purchase,,i1,2017-11-30T10:00:00Z,2,1.5,", "missing: user_id"),
        ('e1,purchase,"  ",i1,2017-11-30T10:00:00Z,2,1.5,', "missing: user_id"),
        (f"e1{'x' * 600},purchase,u1,i1,2017-11-30T10:00:00Z,2,1.5,", "too_long: event_id"),
        ("e1,steal,u1,i1,2017-11-30T10:00:00Z,2,1.5,", "unknown_value: event_type"),
        ("e1,purchase,u1,i1,yesterday,2,1.5,", "not_a_timestamp: event_ts"),
        ("e1,purchase,u1,i1,2017-02-30T10:00:00Z,2,1.5,", "not_a_timestamp: event_ts"),
        ("e1,purchase,u1,i1,0017-11-30T10:00:00Z,2,1.5,", "out_of_range: event_ts"),
        ("e1,purchase,u1,i1,2017-12-01T00:00:00Z,2,1.5,", "after_business_date: event_ts"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,two,1.5,", "not_a_number: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,0,1.5,", "too_small: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,-2,1.5,", "a_return: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,1e12,1.5,", "too_large: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,nan,1.5,", "not_finite: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,1e400,1.5,", "not_finite: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,-1,", "too_small: price"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,[]", "not_an_object: context"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,{bad}", "not_an_object: context"),
        ('e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,"{""a"": ""\\u0000""}"', "not_an_object: context"),
        ('e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,"{""a"": ""\\ud800""}"', "not_an_object: context"),
        ('e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,"{""a"": 1e400}"', "not_an_object: context"),
        ("e1,steal,,i1,yesterday,two,-1,[]", "unknown_value: event_type"),  # the first of many
    ],
)
def test_a_bad_row_is_kept_with_its_line_reason_and_text(row: str, reason: str):
    result = read_rows(GOOD, row)
    assert result.accepted["event_id"].to_list() == ["e0"]
    assert result.rejected == [(3, reason, row)]


@pytest.mark.parametrize(
    "name", ["häuser-7", "用户", "👩‍👩‍👧", "a b", " x ", "e" * 512, "-- ; drop", '5" pipe', "ﬁ", "\u202eabc"]
)
def test_ids_are_kept_as_they_are(name: str):
    quoted = '"' + name.replace('"', '""') + '"'
    result = read_rows(f"{quoted},purchase,{quoted},{quoted},2017-11-30T10:00:00Z,1,1,")
    assert result.accepted.select("event_id", "user_id", "item_id").row(0) == (name, name, name)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2017-11-30T10:00:00Z", (10, 0)),
        ("2017-11-30 10:00:00", (10, 0)),
        ("2017-11-30T10:00:00.500+02:00", (8, 500_000)),
        ("2017-11-30T10:00:00+0230", (7, 0)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, at: tuple[int, int]):
    found = read_rows(f"e1,purchase,u1,i1,{text},1,1,").accepted["event_ts"][0]
    assert (found.hour, found.microsecond) == at


def test_rows_of_a_file_without_a_date_have_their_own():
    rows = "\n".join(
        f"e{n},purchase,u,i,{ts},1,1," for n, ts in enumerate(["2017-03-01T23:59:59Z", "2018-01-01T00:00:01Z", "soon"])
    )
    result = read((HEADER + rows).encode(), "events.csv", BY_ROW, NOW)
    assert result.accepted.select("event_id", "business_date").rows() == [("e0", date(2017, 3, 1))]
    assert result.reasons == [(3, "in_the_future: event_ts"), (4, "not_a_timestamp: event_ts")]


def test_a_dated_file_may_end_with_the_day_of_the_shop_s_time_zone():
    mapping = parse_mapping(
        "timezone: America/New_York\nsources: {i: {dataset: interactions, files: 'i/{date}.csv'}}", "New York"
    )
    lines = [
        "e1,purchase,u,i,2017-11-30T20:00:00Z,1,1,",
        "e2,purchase,u,i,2017-12-01T04:59:00Z,1,1,",
        "e3,purchase,u,i,2017-12-01T05:00:00Z,1,1,",
    ]
    result = read((HEADER + "\n".join(lines)).encode(), "i/2017-11-30.csv", mapping)
    assert result.accepted.select("event_id", "business_date").rows() == [("e1", DAY), ("e2", date(2017, 12, 1))]
    assert result.reasons == [(4, "after_business_date: event_ts")]


def test_rows_the_source_leaves_out_are_counted_apart():
    mapping = parse_mapping("sources: {i: {dataset: interactions, files: '**', where: quantity > 1}}", "where")
    result = read((HEADER + GOOD + "\n" + GOOD.replace(",1,1,", ",2,1,")).encode(), KEY, mapping)
    assert (len(result.accepted), result.rejected, result.filtered) == (1, [], 1)
