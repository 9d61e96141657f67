"""Two dates of a small shop through dbt, the marts gate and the export: first build, next day, again, late file."""

from datetime import date

import psycopg
import pytest
from psycopg import sql
from small_warehouse import build, checksums, load, query

from cartwheel import lake, warehouse
from cartwheel.dbt import run_dbt
from cartwheel.export import NotBuiltError, export, export_snapshots
from data_quality.gate import GateFailedError, run_gate

NAME = "cartwheel_test_warehouse"
FIRST, SECOND, LATER = date(1999, 1, 1), date(1999, 1, 2), date(1999, 1, 3)

pytestmark = pytest.mark.usefixtures("empty_warehouse")


def load_purchases(day: date, *rows: tuple) -> None:
    """Each row: event_id, user_id, item_id, quantity, price, value."""
    columns = "event_type, event_ts, session_id, event_id, user_id, item_id, quantity, price, value"
    load("interactions", day, columns, [("purchase", f"{day} 10:00+00", f"s-{day}-{row[1]}", *row) for row in rows])


def titles(day: date) -> dict[str, str | None]:
    return {row["item_id"]: row["title"] for row in lake.read("items", day).to_pylist()}


@pytest.fixture(scope="module")
def first_build(empty_warehouse):
    """Both dates are loaded, the first is built: the second must leave no trace."""
    load("items", FIRST, "item_id, title, available", [("milk", "Milk", None), ("gone", "Gone", False)])
    load("users", FIRST, "user_id, age_band", [("ann", "25-34")])
    load("item_context", FIRST, "item_id, starts_on, ends_on, mailer, regions", [("milk", FIRST, SECOND, "front page", 3)])
    load_purchases(FIRST, ("e1", "ann", "milk", 2, 1.1, None), ("e2", "bob", "bread", 1, 3.0, 2.5))
    load("items", SECOND, "item_id, title", [("milk", "Fresh milk")])
    load_purchases(SECOND, ("e3", "ann", "milk", 1, 1.0, 1.0), ("e4", "cid", "milk", 1, 1.0, 1.0))
    run_dbt("build", "--vars", f"{{partition_date: '{FIRST}'}}", capture=True)  # with the unit tests


@pytest.fixture(scope="module")
def second_build(first_build):
    export(FIRST)
    build(SECOND)


def test_the_first_build_holds_nothing_of_a_later_date(first_build):
    assert query("select event_id, revenue::float from marts.fct_interactions order by 1") == [("e1", 2.2), ("e2", 2.5)]
    assert query("select item_id, title, available from marts.dim_items where is_current order by 1") == [
        ("bread", None, True), ("gone", "Gone", False), ("milk", "Milk", True),
    ]  # fmt: skip
    assert query("select event_date, active_users, items, revenue::float, new_users, returning_users from marts.daily_kpis") == [
        (FIRST, 2, 2, 4.7, 2, 0)
    ]


def test_users_are_known_by_their_key_alone(first_build):
    known = {warehouse.user_key(b"secret of the test", user) for user in ("ann", "bob")}
    assert {key for (key,) in query("select user_key from marts.dim_users")} == known
    columns = query("select table_name from information_schema.columns where table_schema = 'marts' and column_name = 'user_id'")
    assert columns == []


def test_analysts_may_read_the_marts_and_nothing_else(first_build, stores):
    """As analyst, every table and view of every schema is asked for."""
    relations = query(
        "select nspname, relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace"
        " where relkind in ('r', 'p', 'v') and nspname not like 'pg\\_%%' and nspname <> 'information_schema'"
    )
    readable = set()
    with psycopg.connect(stores.postgres_dsn("postgres", NAME), autocommit=True) as connection:
        connection.execute("set session authorization analyst")
        for schema, name in relations:
            try:
                connection.execute(sql.SQL("select from {} limit 1").format(sql.Identifier(schema, name)))
                readable.add((schema, name))
            except psycopg.errors.InsufficientPrivilege:
                continue
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from marts.daily_kpis")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select ops.user_key('ann')")
    assert {schema for schema, _ in relations} == {"raw", "staging", "intermediate", "marts", "serving", "ops"}
    assert readable == {(schema, name) for schema, name in relations if schema == "marts"}
    assert len(readable) >= 20


def test_a_date_that_dbt_has_not_built_is_not_exported(first_build):
    with pytest.raises(NotBuiltError, match="1999-01-03"):
        export(LATER)
    with pytest.raises(NotBuiltError, match="1999-01-03"):
        export_snapshots(LATER)


def test_the_export_holds_the_date_as_known_at_its_end(second_build):
    export(SECOND)
    export_snapshots(FIRST)
    assert lake.complete_dates("interactions") == [FIRST, SECOND]
    assert lake.read("interactions", SECOND).column("event_id").to_pylist() == ["e3", "e4"]
    assert [titles(day) for day in (FIRST, SECOND)] == [
        {"bread": None, "gone": "Gone", "milk": "Milk"}, {"bread": None, "gone": "Gone", "milk": "Fresh milk"},
    ]  # fmt: skip
    assert [lake.read("users", day).num_rows for day in (FIRST, SECOND)] == [2, 3]
    assert lake.read("item_context", SECOND).to_pylist() == [
        {"item_id": "milk", "starts_on": FIRST, "ends_on": SECOND, "mailer": "front page", "display": None, "regions": 3}
    ]
    assert query("select business_date from ops.pending_dates") == []


def test_building_a_date_again_changes_nothing(second_build):
    before = checksums()
    export(SECOND)
    files = [lake.read("interactions", SECOND), lake.read("items", SECOND)]
    build(SECOND)
    assert checksums() == before
    export(SECOND)
    assert [lake.read("interactions", SECOND), lake.read("items", SECOND)] == files


def test_a_late_file_replaces_its_date_and_corrects_later_counts(second_build):
    export(SECOND)
    load_purchases(FIRST, ("e5", "cid", "milk", 1, 1.0, 1.0))
    build(SECOND)
    run_gate("marts", SECOND)
    assert query("select event_date, active_users, new_users, returning_users from marts.daily_kpis order by 1") == [
        (FIRST, 1, 1, 0), (SECOND, 2, 1, 1),
    ]  # fmt: skip
    export(SECOND)
    assert lake.read("interactions", FIRST).column("event_id").to_pylist() == ["e5"]
    assert query("select business_date from ops.pending_dates") == []

    with warehouse.connect() as connection:
        connection.execute("update marts.fct_interactions set revenue = revenue + 1 where event_id = 'e3'")
    with pytest.raises(GateFailedError, match="date_with_other_revenue_in_daily_kpis"):
        run_gate("marts", SECOND)


def test_a_failing_dbt_test_fails_the_build(second_build):
    load_purchases(LATER, ("same", "ann", "milk", 1, 1.0, 1.0), ("same", "ann", "milk", 1, 1.0, 1.0))
    with pytest.raises(SystemExit, match="unique_fct_interactions_event_id"):
        build(LATER, "--select", "int_dates_to_build", "fct_interactions")
