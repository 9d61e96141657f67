"""The raw gate on five weeks of a made-up shop in the database: what passes, what fails, and what a date costs."""

from datetime import date, timedelta

import pytest

from cartwheel import lake, warehouse
from cartwheel.settings import get_settings
from data_quality import gate, profiles, raw_drift
from data_quality.results import GateFailedError
from data_quality.validation import validate

DAY = date(1998, 3, 4)
DAYS = [DAY - timedelta(days=back) for back in range(35, -1, -1)]
ROWS = 200

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def shop():
    """Five weeks of interactions, as ingest leaves them; they are removed afterwards."""
    with warehouse.connect() as connection:
        for day in DAYS:
            connection.execute(
                f"create table raw.interactions_gate_{day:%Y%m%d} partition of raw.interactions for values in (date '{day}')"
            )
        connection.execute(
            """
            insert into raw.interactions
                (business_date, key, line, event_id, event_type, user_id, event_ts, price, quantity, region, device)
            select day, 'interactions/' || day || '.csv', line, 'gate-' || day || '-' || line, 'purchase', 'u' || line %% 9,
                day + make_interval(hours => line::int %% 24), 1 + line %% 17, 1 + line %% 3, 'store-' || line %% 30, 'till'
            from unnest(%s::date[]) as day, generate_series(1, %s) as line
            """,
            (DAYS, ROWS),
        )
        connection.execute(
            "insert into raw.interaction_ids select event_id, business_date, key, line from raw.interactions"
            " where event_id like 'gate-%'"
        )
        connection.execute(
            """
            insert into ops.loaded_files
                (key, etag, source, dataset, business_date, bytes, rows_read, accepted, rejected, duplicates, loaded_at)
            select 'interactions/' || day || '.csv', 'e', 'interactions', 'interactions', day, 1, rows, rows, 0, 0, day + 1
            from unnest(%s::date[]) as day, (select %s as rows) as sizes
            """,
            (DAYS, ROWS),
        )
        connection.execute(
            "insert into ops.loaded_dates select dataset, business_date, key, source, file_id, accepted from ops.loaded_files"
            " where etag = 'e'"
        )
        connection.execute("insert into ops.built_dates select day, 1000000000 from unnest(%s::date[]) as day", (DAYS[:-1],))
    yield
    with warehouse.connect() as connection:
        for day in DAYS:
            connection.execute(f"drop table raw.interactions_gate_{day:%Y%m%d}")
        connection.execute("delete from raw.interaction_ids where event_id like 'gate-%'")
        for table in ("loaded_files", "loaded_dates", "built_dates", "daily_profiles", "gate_results", "gate_runs"):
            connection.execute(f"delete from ops.{table} where business_date = any(%s)", (DAYS,))
    for page in lake.list_objects(get_settings().lake_bucket, f"data-docs/{DAY}/"):
        lake.s3_client().delete_object(Bucket=get_settings().lake_bucket, Key=page["Key"])


def change(statement: str) -> None:
    with warehouse.connect() as connection:
        assert connection.execute(statement.format(day=f"date '{DAY}'")).rowcount > 0


def test_a_usual_date_passes_with_verdicts(shop):
    report = gate.run_gate("raw", DAY)
    assert report.failures == report.warnings == []
    drift = {result.expectation.rpartition(", at most")[0]: result for result in report.results if "drift" in result.checked}
    assert len(drift) > 20
    assert not [result for result in drift.values() if "no verdict" in result.observed and "context" not in result.expectation]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "update raw.interactions set price = price * 100 where business_date = {day}",
            r"price: distribution: .* at most 1: observed PSI .* of the rows are above 16.*compare the day's file",
        ),
        (
            "delete from raw.interactions where business_date = {day} and line = 7",
            r"raw.interactions, accounts: files with other rows .* than were counted as accepted: observed 1",
        ),
        (
            "update raw.interaction_ids set line = line + 1 where event_id = 'gate-1998-03-04-7'",
            r"raw.interactions, ids: rows whose event id is another row's in raw.interaction_ids: observed 1",
        ),
        (
            "update ops.loaded_files set error = 'gzip ends early' where business_date = {day}",
            r"such as interactions/1998-03-04.csv: gzip ends early.*delivered again",
        ),
        (
            "update ops.loaded_files set rejected = 21, rows_read = rows_read + 21 where business_date = {day}",
            r"such as interactions/1998-03-04.csv: 21 of 221 rows rejected, allowed is a share of 0.05",
        ),
        (
            "update ops.loaded_files set rejected = 1, rows_read = rows_read + 1 where business_date = {day}",
            r"such as interactions/1998-03-04.csv: 0 rows in raw.rejected_rows, 1 counted",
        ),
        (
            "update raw.interactions set event_ts = event_ts - interval '1 day' where business_date = {day} and line % 24 > 4",
            r"newest event: freshness: .* the newest event is older than 19.0 h, usual are 0.0 h",
        ),
    ],
)
def test_what_is_wrong_is_named(shop, statement, message):
    change(statement)
    with pytest.raises(GateFailedError, match=message):
        gate.run_gate("raw", DAY)


def test_a_late_file_warns(shop):
    change("update ops.loaded_files set loaded_at = loaded_at + interval '9 hours' where business_date = {day}")
    (warning,) = gate.run_gate("raw", DAY).warnings
    assert warning.observed == "z = 9.0: from the end of the date until its last file was loaded passed 9.0 h, usual are 0.0 h"


def test_a_file_of_an_earlier_date_that_cannot_be_read_is_named_too(shop):
    change("update ops.loaded_files set error = 'no text' where business_date = {day} - 3")
    with pytest.raises(GateFailedError, match=r"interactions/1998-03-01.csv: no text"):
        gate.run_gate("raw", DAY)


def test_earlier_dates_are_read_once_and_again_when_they_change(shop):
    raw_drift.refresh(DAY, [])
    before = profiles.load(raw_drift.DATASET, DAYS[0], DAY)
    assert before.keys() == set(DAYS)
    change("update raw.interactions set price = 7 where business_date = {day} - 2")
    raw_drift.refresh(DAY, [DAY])
    assert profiles.load(raw_drift.DATASET, DAYS[0], DAY) == before
    raw_drift.refresh(DAY, [DAY - timedelta(days=2), DAY])
    changed = profiles.load(raw_drift.DATASET, DAYS[0], DAY)
    assert changed[DAY - timedelta(days=2)]["price"].counts == {"1050": ROWS}  # 1.04**50 = 7.1
    assert {day for day in DAYS if changed[day] != before[day]} == {DAY - timedelta(days=2)}


def test_the_first_days_of_a_shop_have_no_verdict(shop):
    raw_drift.refresh(DAYS[3], [])
    (validated,) = validate([raw_drift.check(DAYS[3], [DAYS[3]])])
    assert all(result.success for result in validated.results)
    assert all("no verdict: 3 days of history, 14 are needed" in result.observed for result in validated.results)
