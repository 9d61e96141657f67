"""Landing files of made-up days in 1999 to the raw tables: by outcome, replaced, late, unreadable, row by row."""

import gzip
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_zone import HEADER, clear, contents, land, land_bytes, own_landing_zone, query

from cartwheel import ingest as ingest_module
from cartwheel import warehouse
from cartwheel.ingest import NothingLandedError, check_delivery, ingest
from cartwheel.settings import get_settings
from data_quality.raw import files

DAY, NEXT_DAY = date(1999, 1, 1), date(1999, 1, 2)
KEY = f"interactions/{DAY}.csv"
LOADED = "select business_date::text, event_id, quantity from raw.interactions order by 1, 2"
FILES = "select key, rows_read, accepted, rejected, duplicates from ops.loaded_files order by key"
REJECTED = "select key, line, reason, original from raw.rejected_rows order by key, line"


@pytest.fixture(scope="module")
def zone(stores):
    with own_landing_zone(stores):
        yield


@pytest.fixture(autouse=True)
def empty(zone):
    clear()


@pytest.fixture
def shop_file(tmp_path, monkeypatch):
    """A mapping of its own: write its YAML to the path."""
    path = tmp_path / "shop.yaml"
    monkeypatch.setenv("CARTWHEEL_SHOP_FILE", str(path))
    get_settings.cache_clear()
    yield path
    monkeypatch.undo()
    get_settings.cache_clear()


def test_rows_by_outcome_are_in_the_tables_and_in_the_accounts():
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1", "a,purchase,u,i,1999-01-01T01:00:00Z,1", "b,purchase,u,i,never,1")
    late = f"interactions/{DAY}-late.csv.gz"
    land_bytes(late, gzip.compress(f"{HEADER}a,purchase,u,i,{DAY}T01:00:00Z,9\nc,purchase,u,i,{DAY}T02:00:00Z,2\n".encode()))
    report = ingest(DAY)
    assert (report.files, report.rows_read, report.accepted, report.rejected, report.duplicates) == (2, 5, 2, 1, 2)
    assert query(LOADED) == [("1999-01-01", "a", 9.0), ("1999-01-01", "c", 2.0)]  # `…-late` is the lower key
    assert query(FILES) == [(late, 2, 2, 0, 0), (KEY, 3, 0, 1, 2)]
    assert query(REJECTED) == [(KEY, 4, "not_a_timestamp: event_ts", "b,purchase,u,i,never,1")]


def test_unchanged_files_are_skipped_and_changed_ones_replaced():
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1", "b,purchase,,i,1999-01-01T01:00:00Z,1")
    assert ingest(DAY).files == 1
    assert ingest(DAY).files == 0
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,7")
    assert ingest(DAY).files == 1
    assert query(LOADED) == [("1999-01-01", "a", 7.0)]
    assert query(REJECTED) == []
    assert ingest(DAY, again=True).files == 1
    assert query(FILES) == [(KEY, 1, 1, 0, 0)]


def test_a_late_file_is_loaded_with_the_next_date_and_marks_its_own_date_to_be_built():
    land(f"interactions/{NEXT_DAY}.csv", "b,purchase,u,i,1999-01-02T01:00:00Z,1")
    ingest(NEXT_DAY)
    query("insert into ops.built_dates select business_date, last_file_id from ops.pending_dates returning 1")
    try:
        land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1")
        assert ingest(NEXT_DAY).files == 1
        assert query("select business_date from ops.pending_dates") == [(DAY,)]
    finally:
        query("delete from ops.built_dates returning 1")


def test_files_of_later_dates_wait_for_their_own_run():
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    land(f"interactions/{NEXT_DAY}.csv", "b,purchase,u,i,1999-01-02T01:00:00Z,1")
    ingest(DAY)
    assert query(LOADED) == [("1999-01-01", "a", 1.0)]


def test_a_missing_delivery_is_an_error_that_names_the_date():
    with pytest.raises(NothingLandedError, match="1999-01-02"):
        ingest(NEXT_DAY)


def test_what_the_api_recorded_is_loaded_and_is_no_delivery_unless_all_comes_through_it():
    event = '{"event_id": "%s", "event_type": "purchase", "user_id": "u", "item_id": "i", "event_ts": "1999-01-0%dT01:00:00Z"}'
    for number, day in enumerate((DAY, NEXT_DAY), start=1):
        land_bytes(f"interactions/{day}/api-{number}.jsonl", (event % (number, number)).encode())
    assert ingest(DAY).accepted == 1
    check_delivery(DAY)
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    assert (ingest(DAY).accepted, ingest(NEXT_DAY).accepted) == (1, 1)
    check_delivery(DAY)
    with pytest.raises(NothingLandedError, match=f"of {NEXT_DAY}, nothing has landed but what the API recorded: expected inter"):
        check_delivery(NEXT_DAY)
    land(f"interactions/{NEXT_DAY}.csv", "b,purchase,u,i,no time,1")
    assert ingest(NEXT_DAY).rejected == 1
    check_delivery(NEXT_DAY)  # delivered, if badly: the gate on raw names the file
    check_delivery(NEXT_DAY + timedelta(days=8))  # a week without a file: by now it has another way


def test_an_unreadable_file_is_noted_and_named_by_the_gate_and_the_others_load():
    whole = gzip.compress((HEADER + "b,purchase,u,i,1999-01-01T01:00:00Z,1\n" * 5000).encode())
    broken = f"interactions/{DAY}-b.csv.gz"
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    land_bytes(broken, whole[:-20])
    report = ingest(DAY)
    assert (report.files, report.unreadable) == (2, 1)
    assert query(LOADED) == [("1999-01-01", "a", 1.0)]
    error = query("select error, rows_read from ops.loaded_files where key = %s", broken)
    assert error[0][1] == 0 and "cannot be read as gzip: Compressed file ended" in error[0][0]
    named = [row[0] for row in query(files(DAY, f"date '{DAY}'")) if row[0] is not None]  # what the gate on raw complains of
    assert named == [f"{broken}: {error[0][0]}"]

    land_bytes(broken, whole)  # delivered again, as it should be
    assert ingest(DAY).accepted == 1
    assert query(FILES) == [(broken, 5000, 1, 0, 4999), (KEY, 1, 1, 0, 0)]
    land_bytes(broken, whole[:-20])  # and broken again: its rows go, and what they were the first of comes back
    ingest(DAY)
    assert query(LOADED) == [("1999-01-01", "a", 1.0)]
    assert query("select count(*) from raw.duplicate_rows") == [(0,)]


def test_rows_of_a_file_without_a_date_lie_in_their_own_dates(shop_file):
    shop_file.write_text("sources: {events: {dataset: interactions, files: events.jsonl}}")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    times = {"a": "1999-01-01T10:00:00Z", "b": "1999-01-02T10:00:00Z", "c": f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}", "d": "never"}
    lines = [f'{{"event_id": "{n}", "event_type": "view", "user_id": "u", "event_ts": "{ts}"}}' for n, ts in times.items()]
    land_bytes("events.jsonl", "\n".join(lines).encode())
    report = ingest(DAY)
    assert (report.dates, report.rows_read, report.accepted, report.rejected) == (2, 4, 2, 2)
    assert query(LOADED) == [("1999-01-01", "a", None), ("1999-01-02", "b", None)]
    assert query("select business_date, line, reason, original from raw.rejected_rows order by line") == [
        (tomorrow.date(), 3, "in_the_future: event_ts", lines[2]),
        (None, 4, "not_a_timestamp: event_ts", lines[3]),
    ]
    dates = "select business_date, rows from ops.loaded_dates order by 1"
    assert query(dates) == [(DAY, 1), (NEXT_DAY, 1)]
    land_bytes("events.jsonl", lines[0].encode())
    ingest(DAY)
    assert query(dates) == [(DAY, 1), (NEXT_DAY, 0)]  # it has left the second, which is to be built again
    with pytest.raises(NothingLandedError, match="none of the interactions that have landed are of 1999-01-02"):
        ingest(NEXT_DAY)


def test_one_file_may_be_read_by_several_sources(shop_file):
    shop_file.write_text("""
sources:
  views:
    dataset: interactions
    files: "{date}.csv"
    where: kind == 'view'
    fields: {event_id: id, user_id: u, item_id: i, event_ts: at, event_type: {value: view}}
  purchases:
    dataset: interactions
    files: "{date}.csv"
    where: kind == 'buy'
    fields: {event_id: id, user_id: u, item_id: i, event_ts: at, event_type: {value: purchase}}
  items:
    dataset: items
    files: "{date}.csv"
    fields: {item_id: i, title: i}
""")
    rows = ["1,buy,u,milk,1999-01-01T10:00:00Z", "2,view,u,milk,1999-01-01T10:00:00Z", "2,buy,u,bread,1999-01-01T10:00:00Z"]
    land("1999-01-01.csv", *rows, header="id,kind,u,i,at\n")
    ingest(DAY)
    counts = "select source, rows_read, accepted, duplicates, filtered from ops.loaded_files order by source"
    assert query(counts) == [("items", 3, 2, 1, 0), ("purchases", 2, 1, 1, 1), ("views", 1, 1, 0, 2)]
    assert query("select event_id, event_type from raw.interactions order by 1") == [("1", "purchase"), ("2", "view")]
    before = contents()
    ingest(DAY, again=True)
    assert contents() == before


rows_of_any_kind = st.lists(
    st.sampled_from(["a", "b", "c", "d"]).map(lambda n: f"{n},purchase,u,i,{DAY}T01:00:00Z,1")
    | st.sampled_from(["", "x,y", 'e,"open,u,i,,', f'e,"pur"chase,u,i,{DAY}T01:00:00Z,1', f"f,purchase,u,i,{DAY}T01:00:00Z,-1",
                       f'g,purchase,"u\nv",i,{DAY}T01:00:00Z,1', f"h,purchase,u\0,i,{DAY}T01:00:00Z,1", "\ufeff"]),
    max_size=12,
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_any_kind)
def test_every_line_of_a_file_is_in_exactly_one_place(rows: list[str]):
    land(KEY, *rows)
    ingest(DAY)
    [(_, read, accepted, rejected, duplicates)] = query(FILES)
    assert read == accepted + rejected + duplicates
    places = {
        "raw.interactions": [line for (line,) in query("select line from raw.interactions")],
        "raw.duplicate_rows": [line for (line,) in query("select line from raw.duplicate_rows")],
        "raw.rejected_rows": [line for (line,) in query("select line from raw.rejected_rows")],
    }
    assert [len(lines) for lines in places.values()] == [accepted, duplicates, rejected]
    lines = ("\n".join(rows) + "\n").split("\n")
    found = [line for lines in places.values() for line in lines]
    assert len(found) == len(set(found))
    originals = {line: original for _, line, _, original in query(REJECTED)}
    at = 0
    while at < len(lines):  # every physical line is a row's, in order, or empty
        if lines[at] == "":
            at += 1
            continue
        assert at + 2 in found
        text = originals.get(at + 2) or ("\n".join(lines[at : at + 2]) if '"u' in lines[at] else lines[at])
        assert text.replace("\\x00", "\0") == "\n".join(lines[at : at + 1 + text.count("\n")])
        at += 1 + text.count("\n")


def test_the_second_of_two_ingests_says_who_holds_the_lock_and_waits():
    land(KEY, "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    with warehouse.connect(application_name="cartwheel ingest, process 4711", autocommit=True) as holder:
        with ingest_module.only_one(holder):
            second = subprocess.Popen(
                [sys.executable, "-m", "cartwheel.ingest", "--date", str(DAY)], stdout=subprocess.PIPE, text=True
            )
            waiting = second.stdout.readline()
            assert "another ingest is running: waiting for it" in waiting and "process 4711" in waiting
            assert second.poll() is None and query(LOADED) == []
        assert "ingest done" in second.communicate(timeout=60)[0]
    assert query(LOADED) == [("1999-01-01", "a", 1.0)]


def test_the_database_computes_the_same_user_key_as_hmac():
    secret = get_settings().user_key_secret.encode()
    for user_id in ("1", "häuser-7", "x" * 200):
        assert query("select ops.user_key(%s)", user_id) == [(warehouse.user_key(secret, user_id),)]
