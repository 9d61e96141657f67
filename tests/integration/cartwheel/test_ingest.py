"""Landing files of made-up days in 1999 to the raw tables."""

import gzip
from datetime import date

import pytest

from cartwheel import ingest, lake, warehouse
from cartwheel.settings import get_settings

DAY, NEXT_DAY = date(1999, 1, 1), date(1999, 1, 2)
HEADER = "event_id,event_type,user_id,item_id,event_ts,quantity\n"


def land(key: str, *rows: str) -> None:
    body = gzip.compress((HEADER + "".join(row + "\n" for row in rows)).encode())
    lake.s3_client().put_object(Bucket=get_settings().landing_bucket, Key=key, Body=body)


def rows(query: str) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(autouse=True)
def clean(stores):
    def remove() -> None:
        for dataset in ("interactions/1999", "interactions/date=1999"):
            for item in lake.list_objects(get_settings().landing_bucket, dataset):
                lake.s3_client().delete_object(Bucket=get_settings().landing_bucket, Key=item["Key"])
        with warehouse.connect() as connection:
            for table in (
                "raw.interactions",
                "raw.interaction_ids",
                "raw.rejected_rows",
                "raw.duplicate_rows",
                "ops.loaded_files",
                "ops.loaded_dates",
            ):
                connection.execute(f"delete from {table} where business_date between '1999-01-01' and '1999-12-31'")

    remove()
    yield
    remove()


LOADED = "select business_date::text, event_id, quantity from raw.interactions where business_date < '2000-01-01' order by 1, 2"
FILES = (
    "select key, rows_read, accepted, rejected, duplicates from ops.loaded_files where business_date < '2000-01-01' order by key"
)


def test_rows_by_outcome_are_in_the_tables_and_in_the_accounts():
    land("interactions/1999-01-01.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,1", "a,purchase,u,i,1999-01-01T01:00:00Z,1",
         "b,purchase,u,i,never,1")  # fmt: skip
    land("interactions/1999-01-01-late.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,9", "c,purchase,u,i,1999-01-01T02:00:00Z,2")
    report = ingest.ingest(DAY)
    assert (report.rows_read, report.accepted, report.rejected, report.duplicates) == (5, 2, 1, 2)
    assert sorted(event for _, event, _ in rows(LOADED)) == ["a", "c"]
    assert sum(read for _, read, *_ in rows(FILES)) == 5
    assert rows("select key, line, reason from raw.rejected_rows where business_date = '1999-01-01'") == [
        ("interactions/1999-01-01.csv.gz", 4, "not_a_timestamp: event_ts")
    ]


def test_unchanged_files_are_skipped_and_changed_ones_replaced():
    land("interactions/1999-01-01.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    assert ingest.ingest(DAY).files == 1
    assert ingest.ingest(DAY).files == 0
    land("interactions/1999-01-01.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,7")
    assert ingest.ingest(DAY).files == 1
    assert rows(LOADED) == [("1999-01-01", "a", 7.0)]


def test_a_late_file_is_loaded_with_the_next_date_and_marks_its_own_date_to_be_built():
    land("interactions/1999-01-02.csv.gz", "b,purchase,u,i,1999-01-02T01:00:00Z,1")
    ingest.ingest(NEXT_DAY)
    with warehouse.connect() as connection:
        connection.execute("insert into ops.built_dates select business_date, last_file_id from ops.pending_dates"
                           " where business_date = '1999-01-02' on conflict do nothing")  # fmt: skip
    try:
        land("interactions/1999-01-01.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,1")
        assert ingest.ingest(NEXT_DAY).files == 1
        pending = rows("select business_date::text from ops.pending_dates where business_date < '2000-01-01'")
        assert pending == [("1999-01-01",)]
    finally:
        rows("delete from ops.built_dates where business_date < '2000-01-01' returning 1")


def test_files_of_later_dates_wait_for_their_own_run():
    land("interactions/1999-01-01.csv.gz", "a,purchase,u,i,1999-01-01T01:00:00Z,1")
    land("interactions/1999-01-02.csv.gz", "b,purchase,u,i,1999-01-02T01:00:00Z,1")
    ingest.ingest(DAY)
    assert rows(LOADED) == [("1999-01-01", "a", 1.0)]


def test_a_missing_delivery_is_an_error_that_names_the_date():
    with pytest.raises(ingest.NothingLandedError, match="1999-01-02"):
        ingest.ingest(NEXT_DAY)


def test_the_database_computes_the_same_user_key_as_hmac():
    secret = get_settings().user_key_secret.encode()
    for user_id in ("1", "häuser-7", "x" * 200):
        with warehouse.connect() as connection:
            assert connection.execute("select ops.user_key(%s)", (user_id,)).fetchone() == (warehouse.user_key(secret, user_id),)
