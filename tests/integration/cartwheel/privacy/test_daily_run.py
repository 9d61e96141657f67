"""Privacy through the real ingest, dbt and export: consent by date, a person who does not come back, and retention."""

import json
from collections.abc import Iterator
from datetime import date, timedelta

import people
import pytest
from own_warehouse import own_warehouse
from people import dump, key_of

from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.dbt import run_dbt
from cartwheel.export import export
from cartwheel.ingest import ingest
from cartwheel.privacy import erase
from cartwheel.privacy.retention import retain
from cartwheel.settings import get_settings

FIRST, SECOND, THIRD = (date(1996, 2, 1) + timedelta(n) for n in range(3))
ERASED = 'wild "one", ä'
HEADER = "event_id,event_type,user_id,item_id,event_ts,quantity,value"


@pytest.fixture(scope="module", autouse=True)
def shop(stores, tmp_path_factory) -> Iterator[None]:
    with own_warehouse(stores, "cartwheel_test_privacy_run", tmp_path_factory.mktemp("logs")):
        yield


def query(statement: str, *parameters) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def land(key: str, lines: list[str]) -> None:
    lake.s3_client().put_object(Bucket=get_settings().landing_bucket, Key=key, Body="\n".join([*lines, ""]).encode())


def land_events(day: date, *users: str, note: str = "") -> None:
    """Each user buys milk once; the last line of a date is not good, and names the first user."""
    quoted = ['"' + user.replace('"', '""') + '"' for user in users]
    lines = [f"{day}-{n}{note},purchase,{user},milk,{day}T10:00:00Z,1,2.5" for n, user in enumerate(quoted)]
    land(f"interactions/{day}.csv", [HEADER, *lines, f"bad-{day},purchase,{quoted[0]},milk,{day}T11:00:00Z,many,1"])


def run(day: date) -> None:
    ingest(day)
    run_dbt("run", "--vars", f"{{partition_date: '{day}'}}", capture=True)
    export(day)


def keys(dataset: str, day: date) -> set[str]:
    return set(lake.read(dataset, day)["user_key"].to_pylist())


@pytest.fixture(scope="module")
def two_days(shop) -> None:
    land("users/1996-02-01.csv", ["user_id,age_band,consent", "ann,25-34,", "no,25-34,false", "bob,35-44,true"])
    land_events(FIRST, ERASED, "ann", "no", "bob")
    run(FIRST)
    land("users/1996-02-02.csv", ["user_id,age_band,consent", "no,25-34,true", "bob,35-44,false"])
    land_events(SECOND, "ann", ERASED)
    run(SECOND)


def test_consent_is_that_of_the_date(two_days):
    assert keys("no_consent", FIRST) == {key_of("no")}
    assert keys("users", FIRST) == {key_of("ann"), key_of("bob"), key_of(ERASED)}
    assert keys("no_consent", SECOND) == {key_of("bob")}
    assert keys("users", SECOND) == {key_of("ann"), key_of("no"), key_of(ERASED)}
    assert lake.read("no_consent", SECOND).schema.equals(LAKE_SCHEMAS["no_consent"])


@pytest.fixture(scope="module")
def third_day(two_days) -> erase.Report:
    report = erase.erase(ERASED, "the test")
    land_events(FIRST, ERASED, "ann", "no", "bob", note="-again")  # delivered again, with other event ids
    land_events(THIRD, "ann", ERASED)
    land("users/1996-02-03.csv", ["user_id,age_band", '"' + ERASED.replace('"', '""') + '",25-34'])
    run(THIRD)
    return report


def test_an_erased_user_does_not_come_back(third_day):
    assert third_day.is_gone
    assert third_day.landed_files == {"interactions/1996-02-01.csv": 2, "interactions/1996-02-02.csv": 1}
    assert erase.preview(ERASED).found == {}
    assert people.places_with(ERASED) == people.places_with(key_of(ERASED)) == []
    rejected = query("select key, line, reason, original from raw.rejected_rows where reason = 'erased_user' order by key, line")
    assert [row[3] for row in rejected] == [None] * len(rejected)
    assert [row[:2] for row in rejected] == [
        ("interactions/1996-02-01.csv", 2), ("interactions/1996-02-01.csv", 6), ("interactions/1996-02-03.csv", 3),
        ("users/1996-02-03.csv", 2),
    ]  # fmt: skip
    assert query("select bool_and(rows_read = accepted + rejected + duplicates) from ops.loaded_files") == [(True,)]


def test_the_sums_in_the_marts_are_corrected_by_the_next_build(third_day):
    """Of the second date nothing was delivered again: it is built again because the person was erased."""
    buyers = dict(query("select event_date, buyers from marts.daily_kpis"))
    assert buyers == {FIRST: 3, SECOND: 1, THIRD: 1}
    assert dict(query("select event_date, buyers from marts.fct_daily_item_sales")) == buyers
    assert {day: lake.read("interactions", day).num_rows for day in buyers} == buyers


@pytest.fixture(scope="module")
def dropped(third_day) -> dict[str, list[str]]:
    """The marts before the first date's raw events are dropped."""
    before = dump()
    patch = pytest.MonkeyPatch()
    patch.setenv("CARTWHEEL_RAW_RETENTION_DAYS", "1")
    get_settings.cache_clear()
    assert retain(THIRD) == 1
    patch.undo()
    get_settings.cache_clear()
    return {place: rows for place, rows in before.items() if place.startswith(("marts.", "intermediate.int_user_keys"))}


def test_retention_drops_raw_and_keeps_the_marts(dropped):
    assert query("select business_date, count(*) from raw.interactions group by 1 order by 1") == [(SECOND, 1), (THIRD, 1)]
    assert query("select min(business_date) from raw.interaction_ids") == [(SECOND,)]
    assert query("select min(business_date) from raw.rejected_rows") == [(SECOND,)]
    assert query("select dataset, business_date, rows, run_date from ops.dropped_partitions") == [
        ("raw.interactions", FIRST, 3, THIRD)
    ]
    assert query("select count(*) from raw.users where business_date = %s", FIRST) == [(3,)]
    assert query("select business_date from ops.pending_dates") == []


def test_late_events_of_a_dropped_date_change_no_mart(dropped):
    land("interactions/1996-02-01-late.csv", [HEADER, f"late,purchase,ann,tea,{FIRST}T10:00:00Z,1,2.5"])
    ingest(THIRD)
    assert query("select count(*) from raw.interactions where business_date = %s", FIRST) == [(1,)]
    assert query("select business_date from ops.pending_dates") == []
    run_dbt("run", "--vars", f"{{partition_date: '{THIRD}'}}", capture=True)
    after = dump()
    assert {place for place, rows in dropped.items() if sorted(after[place]) != sorted(rows)} == set()


def test_a_dropped_date_is_not_built_again(dropped):
    before = query("select count(*) from marts.fct_interactions where event_date = %s", FIRST)
    with pytest.raises(SystemExit, match="raw events up to 1996-02-01 were dropped by retention"):
        run_dbt("run", "--select", "int_dates_to_build", "--vars", f"{{partition_date: '{FIRST}'}}", capture=True)
    assert query("select count(*) from marts.fct_interactions where event_date = %s", FIRST) == before == [(3,)]


def test_the_record_of_an_erasure_names_nobody(third_day):
    ((record,),) = query("select to_jsonb(e) from ops.erasures as e")
    assert record["user_key"] == key_of(ERASED) and record["finished_at"]
    assert not any(each in json.dumps(record) for each in people.writings(ERASED))
