"""A warehouse of the first layout, with data, takes on the present one."""

from datetime import date

import pytest
from landing_zone import own_landing_zone, query

from cartwheel import warehouse

FIRST, SECOND = date(2017, 1, 1), date(2017, 1, 2)
FIRST_LAYOUT = """
drop view ops.pending_dates;
drop table ops.loaded_files, ops.loaded_dates, raw.duplicate_rows, raw.interaction_ids, raw.rejected_rows;
create table ops.loaded_files (
    file_id bigint generated always as identity, key text primary key, etag text not null, dataset text not null,
    business_date date not null, bytes bigint not null, rows_read bigint not null, accepted bigint not null,
    rejected bigint not null, duplicates bigint not null, loaded_at timestamptz not null default now(),
    check (rows_read = accepted + rejected + duplicates)
);
create table raw.rejected_rows (
    business_date date not null, dataset text not null, key text not null, line bigint not null,
    reason text not null, original text
);
create view ops.pending_dates as select business_date, max(file_id) as last_file_id from ops.loaded_files group by 1;
"""


@pytest.fixture(scope="module")
def first_layout(stores):
    with own_landing_zone(stores):
        with warehouse.connect() as connection:
            connection.execute(FIRST_LAYOUT)
            for day in (FIRST, SECOND):
                partition = f"raw.interactions_{day:%Y%m%d}"
                connection.execute(f"create table {partition} partition of raw.interactions for values in ('{day}')")
                connection.cursor().executemany(
                    f"insert into {partition} (business_date, key, line, event_id, event_type, user_id, event_ts)"
                    f" values ('{day}', '{day}.csv', %s, %s, 'view', 'u', now())",
                    [(2, "same"), (3, f"e{day}")],
                )
                connection.execute(
                    "insert into ops.loaded_files"
                    " (key, etag, dataset, business_date, bytes, rows_read, accepted, rejected, duplicates)"
                    " values (%s, 'as delivered', 'interactions', %s, 1, 2, 2, 0, 0)",
                    (f"{day}.csv", day),
                )
        yield


def test_the_first_layout_is_taken_over_and_files_with_unnoted_duplicates_load_again(first_layout):
    for _ in range(2):  # migrating again changes nothing
        warehouse.migrate()
        assert query("select key, source, etag, error, filtered from ops.loaded_files order by key") == [
            (f"{FIRST}.csv", "interactions", "as delivered", None, 0),
            (f"{SECOND}.csv", "interactions", "to be loaded again", None, 0),
        ]
        dates = "select dataset, business_date, key, source, file_id, rows from ops.loaded_dates order by key"
        assert query(dates) == [
            ("interactions", FIRST, f"{FIRST}.csv", "interactions", 1, 2),
            ("interactions", SECOND, f"{SECOND}.csv", "interactions", 2, 2),
        ]
        assert query("select event_id, business_date, line from raw.interaction_ids order by 1") == [
            (f"e{FIRST}", FIRST, 3), (f"e{SECOND}", SECOND, 3), ("same", FIRST, 2),
        ]  # fmt: skip
        assert query("select * from ops.pending_dates order by 1") == [(FIRST, 1), (SECOND, 2)]
