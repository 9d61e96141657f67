"""Purchases of the day in the champion's tables: the history grows at its end, and what was bought was bought just now."""

from datetime import UTC, datetime

import polars as pl

from cartwheel.contracts import LAKE_SCHEMAS
from serving_export.refresh.tables import SINCE_LAST, with_purchases

MORNING, NOON, EVENING = (datetime(1999, 6, 2, hour, tzinfo=UTC) for hour in (8, 12, 18))
YESTERDAY = datetime(1999, 6, 1, 9, tzinfo=UTC)


def empty(dataset: str) -> pl.DataFrame:
    return pl.DataFrame(LAKE_SCHEMAS[dataset].empty_table())


def rows(dataset: str, *given: dict) -> pl.DataFrame:
    whole = [dict.fromkeys(LAKE_SCHEMAS[dataset].names) | row for row in given]
    return pl.DataFrame(whole, schema=empty(dataset).schema)


def tables() -> dict[str, pl.DataFrame]:
    return {
        "sequences": rows(
            "features/sequences",
            {"user_key": "ann", "item_ids": ["milk"], "event_ts": [YESTERDAY], "session_ids": ["s1"]},
            {"user_key": "bob", "item_ids": ["tea"], "event_ts": [YESTERDAY], "session_ids": ["s2"]},
        ),
        "user_item": rows(
            "features/user_item",
            {"user_key": "ann", "item_id": "milk", "purchases": 3, "recency_days": 0.5, "visits_since": 2, "dueness": 0.2},
            {"user_key": "bob", "item_id": "tea", "purchases": 1, "recency_days": 0.5, "visits_since": 0},
        ),
        "item": rows("features/item", {"item_id": "milk"}, {"item_id": "eggs"}, {"item_id": "tea"}),
    }


def purchases(*given: tuple) -> pl.DataFrame:
    schema = {"user_key": pl.String, "item_id": pl.String, "event_ts": pl.Datetime("us", "UTC"), "session_id": pl.String}
    return pl.DataFrame(list(given), schema=schema, orient="row")


TODAY = purchases(
    ("ann", "milk", EVENING, "s9"),
    ("ann", "eggs", NOON, "s8"),
    ("ann", "milk", NOON, "s8"),
    ("ann", "milk", MORNING, "s8"),  # twice in one visit is once
    ("ann", "soap", NOON, "s8"),  # sold too seldom to have features
    ("eve", "milk", NOON, "s7"),  # has no history
)


def test_the_history_grows_at_its_end_in_the_order_of_time():
    after = with_purchases(tables(), TODAY)["sequences"]
    ann, bob = after.rows(named=True)
    assert ann["item_ids"] == ["milk", "milk", "eggs", "soap", "milk"]
    assert ann["event_ts"] == [YESTERDAY, MORNING, NOON, NOON, EVENING]
    assert ann["session_ids"] == ["s1", "s8", "s8", "s8", "s9"]
    assert bob == tables()["sequences"].row(1, named=True)


def test_what_was_bought_was_bought_just_now():
    after = with_purchases(tables(), TODAY)["user_item"]
    eggs, milk, tea = after.rows(named=True)
    assert (eggs["item_id"], eggs["purchases"], eggs["decayed_visits"]) == ("eggs", 1, None)
    assert (milk["item_id"], milk["purchases"]) == ("milk", 5)
    assert all(row[name] == 0 for row in (eggs, milk) for name in SINCE_LAST)
    assert tea == tables()["user_item"].row(1, named=True)


def test_without_purchases_nothing_changes():
    before = tables()
    for name, table in with_purchases(before, purchases()).items():
        assert table.equals(before[name]), name
    assert after_schema(TODAY) == after_schema(purchases())


def after_schema(given: pl.DataFrame) -> dict[str, pl.Schema]:
    return {name: table.schema for name, table in with_purchases(tables(), given).items()}
