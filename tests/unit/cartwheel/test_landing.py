"""Every row of a landed file is accepted, rejected with a reason, or a duplicate."""

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwheel.contracts import INTERACTIONS, ITEMS
from cartwheel.landing import KEY_PATTERN, BadFileError, parse

DAY = date(2017, 11, 30)
HEADER = "event_id,event_type,user_id,item_id,event_ts,quantity,price,context\n"
KEY = "interactions/2017-11-30.csv"


def parse_rows(*rows: str):
    return parse((HEADER + "\n".join(rows)).encode(), KEY, INTERACTIONS, DAY)


def test_a_good_row_has_the_types_of_the_contract():
    row = parse_rows('e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1.50,"{""week"": 1}"').accepted.row(0, named=True)
    assert (row["line"], row["event_id"], row["quantity"], row["price"]) == (2, "e1", 2.0, 1.5)
    assert row["event_ts"] == datetime(2017, 11, 30, 10, tzinfo=UTC)
    assert json.loads(row["context"]) == {"week": 1}
    assert row["region"] is None  # a column the file does not have


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("e1,purchase,,i1,2017-11-30T10:00:00Z,2,1.5,", "missing: user_id"),
        ("e1,steal,u1,i1,2017-11-30T10:00:00Z,2,1.5,", "unknown_value: event_type"),
        ("e1,purchase,u1,i1,yesterday,2,1.5,", "not_a_timestamp: event_ts"),
        ("e1,purchase,u1,i1,2017-12-01T00:00:00Z,2,1.5,", "after_business_date: event_ts"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,two,1.5,", "not_a_number: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,0,1.5,", "too_small: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,nan,1.5,", "not_finite: quantity"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,-1,", "too_small: price"),
        ("e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1,[]", "not_an_object: context"),
        ("e1,purchase,u\0,i1,2017-11-30T10:00:00Z,2,1,", "nul_byte: user_id"),
    ],
)
def test_a_bad_row_is_kept_with_its_line_reason_and_text(row: str, reason: str):
    parsed = parse_rows("e0,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,", row)
    assert parsed.accepted["event_id"].to_list() == ["e0"]
    rejected = parsed.rejected.row(0, named=True)
    assert (rejected["line"], rejected["reason"]) == (3, reason)
    assert json.loads(rejected["original"])["event_id"] == "e1"


def test_a_row_with_too_many_columns_is_kept_as_text():
    parsed = parse_rows("e1,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,,extra", "e2,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,")
    assert parsed.rejected.row(0) == (2, "column_count: 9, not 8", "e1,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,,extra")
    assert parsed.accepted.select("line", "event_id").rows() == [(3, "e2")]


def test_the_second_row_with_a_key_is_a_duplicate():
    row = "e1,purchase,u1,i1,2017-11-30T10:00:00Z,1,1,"
    parsed = parse_rows(row, row)
    assert (parsed.rows_read, len(parsed.accepted), len(parsed.rejected), parsed.duplicates) == (2, 1, 0, 1)


def test_gzip_and_parquet_give_the_same_rows():
    text = HEADER + "e1,purchase,u1,i1,2017-11-30T10:00:00Z,2,1.5,\n"
    frame = pl.read_csv(io.StringIO(text), try_parse_dates=True)
    assert frame.schema["event_ts"] == pl.Datetime("us", "UTC")
    parquet = io.BytesIO()
    frame.write_parquet(parquet)
    expected = parse(text.encode(), KEY, INTERACTIONS, DAY).accepted
    assert parse(gzip.compress(text.encode()), KEY + ".gz", INTERACTIONS, DAY).accepted.equals(expected)
    assert parse(parquet.getvalue(), "interactions/2017-11-30.parquet", INTERACTIONS, DAY).accepted.equals(expected)


@pytest.mark.parametrize(
    ("payload", "key", "message"),
    [
        (b"", KEY, "cannot be read"),
        (b"not gzip", KEY + ".gz", "cannot be read"),
        (gzip.compress(HEADER.encode() * 50)[:-20], KEY + ".gz", "cannot be read"),
        (b"not parquet", "interactions/2017-11-30.parquet", "cannot be read"),
        (b"event_id,user_id\ne1,u1\n", KEY, r"lacks the required column\(s\) event_type, event_ts"),
    ],
)
def test_an_unreadable_file_is_named(payload: bytes, key: str, message: str):
    with pytest.raises(BadFileError, match=f"^{key}: .*{message}"):
        parse(payload, key, INTERACTIONS, DAY)


def test_a_header_alone_is_an_empty_file():
    assert parse_rows().rows_read == 0


@pytest.mark.parametrize(
    ("key", "dataset"),
    [
        ("interactions/2017-11-30.csv.gz", "interactions"),
        ("items/date=2017-11-30/part-1.parquet", "items"),
        ("users/2017-11-30-late.csv", "users"),
        ("interactions/november.csv", None),
        ("interactions/2017-11-30.xlsx", None),
    ],
)
def test_which_keys_are_landing_files(key: str, dataset: str | None):
    match = KEY_PATTERN.match(key)
    assert (match["dataset"] if match else None) == dataset


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["", "1", "-1", "1e400", "true", "{}"])


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]) | cells, *[cells] * 10), max_size=8))
def test_whatever_the_cells_hold_every_row_is_accounted_for(rows: list[tuple[str, ...]]):
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(ITEMS.columns)
    writer.writerows(rows)
    parsed = parse(buffer.getvalue().encode(), "items/2017-11-30.csv", ITEMS, DAY)
    assert parsed.rows_read == len(rows)
    assert parsed.rows_read == len(parsed.accepted) + len(parsed.rejected) + parsed.duplicates
    assert parsed.accepted["item_id"].is_unique().all()
    for row in parsed.accepted.rows(named=True):
        assert row["item_id"] == rows[row["line"] - 2][0]
