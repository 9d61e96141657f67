"""Whatever the order in which files arrive, are replaced or are loaded again, the same rows count and the same are duplicates."""

import itertools
import random
from datetime import date

import pytest
from landing_zone import clear, contents, forget, land, own_landing_zone, query, take_away

from cartwheel.ingest import ingest

FIRST, SECOND, THIRD = date(1999, 1, 1), date(1999, 1, 2), date(1999, 1, 3)
OWNERS = "select event_id, key, line from raw.interaction_ids order by event_id"
LOADED = "select event_id, key, line from raw.interactions order by event_id, key, line"
DUPLICATES = "select row_key, key, line, first_key, first_line from raw.duplicate_rows order by key, line"
COUNTS = "select key, rows_read, accepted, rejected, duplicates from ops.loaded_files order by key"


@pytest.fixture(scope="module")
def zone(stores):
    with own_landing_zone(stores):
        yield


@pytest.fixture(autouse=True)
def empty(zone):
    clear()


def event(name: str, day: date) -> str:
    return f"{name},purchase,u,i,{day}T10:00:00Z,1"


def test_an_event_counts_once_over_all_dates_and_its_duplicate_names_the_first():
    land(f"interactions/{FIRST}.csv", event("a", FIRST), event("b", FIRST), event("a", FIRST))
    land(f"interactions/{SECOND}.csv", event("b", SECOND), event("c", SECOND))
    report = ingest(SECOND)
    assert (report.rows_read, report.accepted, report.duplicates) == (5, 3, 2)
    one, two = f"interactions/{FIRST}.csv", f"interactions/{SECOND}.csv"
    assert query(LOADED) == query(OWNERS) == [("a", one, 2), ("b", one, 3), ("c", two, 3)]
    assert query(DUPLICATES) == [("a", one, 4, one, 2), ("b", two, 2, one, 3)]
    assert query(COUNTS) == [(one, 3, 2, 0, 1), (two, 2, 1, 0, 1)]


def test_a_late_file_of_an_earlier_date_takes_over_and_both_dates_become_pending():
    land(f"interactions/{SECOND}.csv", event("a", SECOND), event("b", SECOND))
    land(f"interactions/{THIRD}.csv", event("a", THIRD))
    ingest(THIRD)
    query("insert into ops.built_dates select business_date, last_file_id from ops.pending_dates returning 1")
    try:
        land(f"interactions/{FIRST}.csv", event("a", FIRST))
        ingest(THIRD)
        one, two, three = (f"interactions/{day}.csv" for day in (FIRST, SECOND, THIRD))
        assert query(LOADED) == [("a", one, 2), ("b", two, 3)]
        assert query(DUPLICATES) == [("a", two, 2, one, 2), ("a", three, 2, one, 2)]
        assert query(COUNTS) == [(one, 1, 1, 0, 0), (two, 2, 1, 0, 1), (three, 1, 0, 0, 1)]
        assert query("select business_date from ops.pending_dates order by 1") == [(FIRST,), (SECOND,)]
    finally:
        query("delete from ops.built_dates returning 1")


def test_a_file_that_no_longer_holds_an_event_gives_it_back():
    land(f"interactions/{FIRST}.csv", event("a", FIRST), event("x", FIRST))
    land(f"interactions/{SECOND}.csv", event("a", SECOND))
    land(f"interactions/{THIRD}.csv", event("a", THIRD))
    ingest(THIRD)
    land(f"interactions/{FIRST}.csv", event("x", FIRST))
    ingest(THIRD)
    one, two, three = (f"interactions/{day}.csv" for day in (FIRST, SECOND, THIRD))
    assert query(LOADED) == [("a", two, 2), ("x", one, 2)]
    assert query(DUPLICATES) == [("a", three, 2, two, 2)]
    assert query(COUNTS) == [(one, 1, 1, 0, 0), (two, 1, 1, 0, 0), (three, 1, 0, 0, 1)]


def test_items_are_unique_within_their_date():
    header = "item_id,title\n"
    land(f"items/{FIRST}-b.csv", "milk,Milk", "bread,Bread", "milk,Again", header=header)
    land(f"items/{SECOND}.csv", "milk,Fresh milk", header=header)
    land(f"interactions/{SECOND}.csv", event("a", SECOND))
    ingest(SECOND)
    land(f"items/{FIRST}-a.csv", "milk,First", header=header)
    ingest(SECOND)
    loaded = query("select business_date, item_id, title from raw.items order by 1, 2")
    assert loaded == [(FIRST, "bread", "Bread"), (FIRST, "milk", "First"), (SECOND, "milk", "Fresh milk")]
    first, later = f"items/{FIRST}-a.csv", f"items/{FIRST}-b.csv"
    assert query(DUPLICATES) == [("milk", later, 2, first, 2), ("milk", later, 4, first, 2)]
    land(f"items/{FIRST}-a.csv", "cheese,Cheese", header=header)
    ingest(SECOND)
    assert query("select item_id, title from raw.items where business_date = %s order by 1", FIRST) == [
        ("bread", "Bread"), ("cheese", "Cheese"), ("milk", "Milk"),
    ]  # fmt: skip
    assert query(DUPLICATES) == [("milk", later, 4, later, 2)]


def test_keys_of_several_columns_may_have_empty_ones():
    header = "item_id,starts_on,ends_on,mailer,display\n"
    rows = ["milk,1999-01-01,1999-01-07,,end", "milk,1999-01-01,1999-01-08,,end", "milk,1999-01-01,1999-01-07,front,end"]
    land(f"item_context/{FIRST}.csv", *rows, header=header)
    land(f"interactions/{FIRST}.csv", event("a", FIRST))
    ingest(FIRST)
    assert query("select line from raw.item_context order by 1") == [(2,), (4,)]
    assert query("select row_key, line, first_line from raw.duplicate_rows") == [('["milk", "1999-01-01", null, "end"]', 3, 2)]


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_loading_ends_in_the_same_tables(seed: int):
    chance = random.Random(seed)
    days = (FIRST, SECOND, THIRD)
    files = {}
    for name, day in itertools.product("ab", days):
        events = [event(f"e{chance.randrange(12)}", day) for _ in range(6)]
        events[chance.randrange(6)] = f"bad,purchase,,i,{day}T10:00:00Z,1"
        files[f"interactions/{day}-{name}.csv"] = events
    for key, events in files.items():
        land(key, *events)
    ingest(THIRD)
    expected = contents()
    assert expected["raw.duplicate_rows"] and expected["raw.rejected_rows"]
    clear()
    for key in chance.sample(sorted(files), len(files)):
        land(key, *chance.sample([*files[key], event("e1", FIRST)], 5))  # a first version of it
        land(f"interactions/{THIRD}-a.csv", *files[f"interactions/{THIRD}-a.csv"])  # without it the date has no delivery
        ingest(THIRD)
    for key in chance.sample(sorted(files), len(files)):
        land(key, *files[key])
        ingest(THIRD)
    assert contents() == expected
    forget()
    ingest(THIRD)
    assert contents() == expected


def test_a_duplicate_whose_file_has_gone_stays_where_it_was(capsys):
    land(f"interactions/{FIRST}.csv", event("a", FIRST), event("x", FIRST))
    land(f"interactions/{SECOND}.csv", event("a", SECOND))
    land(f"interactions/{THIRD}.csv", event("c", THIRD))
    ingest(THIRD)
    take_away(f"interactions/{SECOND}.csv")
    land(f"interactions/{FIRST}.csv", event("x", FIRST))
    ingest(THIRD)
    assert "no longer in the landing zone" in "".join(capsys.readouterr())
    assert [name for name, _, _ in query(LOADED)] == ["c", "x"]
