"""What the features gate finds wrong in a dataset, one fault at a time."""

import polars as pl
import pyarrow as pa
import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from data_quality.features import KEYS, measured, numbers, rules, summary, windows

USERS = pl.Series(["u", "v"])


def user_rows(**changes) -> pa.Table:
    """Two good rows of features/user, with some columns replaced."""
    schema = LAKE_SCHEMAS["features/user"]
    columns = {name: [0.5, 0.5] for name in schema.names} | {"user_key": ["u", "v"]} | changes
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()})


def found(dataset: str, table: pa.Table) -> dict[str, str]:
    row = summary(dataset, table.schema, pl.DataFrame(table), USERS).row(0, named=True)
    return {name.removesuffix("_problem"): value for name, value in row.items() if value is not None and name != "rows"}


def test_good_rows_have_no_problem():
    assert found("features/user", user_rows(gap_days=[None, 3.0], spend_per_visit=[-1.0, 2.0])) == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"user_key": ["u", "u"]}, {"key": "1 rows repeat user_key"}),
        ({"user_key": ["u", None]}, {"key": "1 rows without user_key"}),
        ({"user_key": ["u", "w"]}, {"user": "1 rows of users who are not in features/user"}),
        ({"recency_days": [float("nan"), 1.0]}, {"unit": "recency_days: 1 of 2 values are not finite"}),
        ({"recency_days": [float("inf"), 1.0]}, {"unit": "recency_days: 1 of 2 values are not finite"}),
        ({"recency_days": [-0.1, -1.0]}, {"unit": "recency_days: 2 of 2 values are below 0 (days)"}),
        ({"novelty_rate_90": [1.0, 1.1]}, {"unit": "novelty_rate_90: 1 of 2 values are above 1 (share)"}),
        ({"recency_days": [None, 1.0]}, {"null": "recency_days: 1 of 2 values are null, promised is none"}),
        ({"visits_90": [0.5, 0.6]}, {"window": "visits_90: 1 of 2 values are above visits"}),
    ],
)
def test_a_fault_is_named_with_its_column(changes, problem):
    assert found("features/user", user_rows(**changes)) == problem


def test_limits_follow_from_the_units():
    """Changes may fall, lifts may be below zero, ranks begin at 1, coordinates end at 1 but for rounding."""
    schema = LAKE_SCHEMAS["features/item"]
    good = dict.fromkeys(schema.names, 1.0) | {"item_id": "milk", "price_change_28_90": -0.5, "text_1": 1.000001}

    def item(**changes):
        return found("features/item", pa.Table.from_pylist([good | changes], schema))

    assert item() == {}
    assert item(subcategory_rank_90=0.0) == {"unit": "subcategory_rank_90: 1 of 1 values are below 1 (rank)"}
    assert item(text_1=-1.1) == {"unit": "text_1: 1 of 1 values are below -1 (coordinate)"}
    assert item(price=-0.1) == {"unit": "price: 1 of 1 values are below 0 (money)"}
    assert item(gap_days=None, price=None) == {}


def test_columns_are_as_promised():
    table = user_rows()
    assert found("features/user", table.drop_columns(["visits"])) == {"columns": "visits is missing"}
    assert found("features/user", table.append_column("more", table["visits"])) == {"columns": "more not promised"}
    wrong = table.set_column(1, "purchases", pa.array(["a", "b"]))
    assert found("features/user", wrong) == {"columns": "purchases is string, promised is float"}


@pytest.mark.parametrize(
    ("items", "problem"), [([["a", "b"], ["c"]], None), ([["a"], ["c"]], "1 rows"), ([["a", "b"], []], "1 rows")]
)
def test_sequences_have_lists_of_equal_length(items, problem):
    schema = LAKE_SCHEMAS["features/sequences"]
    sessions = [["s"] * 2, ["s"]]
    table = pa.table(
        {"user_key": ["u", "v"], "item_ids": items, "event_ts": [[0] * 2, [0]], "session_ids": sessions}, schema=schema
    )
    assert (found("features/sequences", table).get("lists") or "").startswith(problem or "")
    assert ("lists" in found("features/sequences", table)) == (problem is not None)


def test_windows_follow_from_the_names():
    assert windows(["purchases", "purchases_7", "purchases_28", "trend_28_90", "visits_90"]) == [
        ("purchases_7", "purchases"),
        ("purchases_7", "purchases_28"),
        ("purchases_28", "purchases"),
    ]


def test_every_feature_dataset_of_the_contracts_is_checked():
    datasets = {name for name in LAKE_SCHEMAS if name.startswith("features/")}
    assert datasets and KEYS.keys() == datasets
    assert datasets <= rules().keys()
    for dataset in datasets - {"features/sequences", "features/context"}:
        assert {column for column, _ in measured(dataset)} == {"rows", *numbers(dataset)}
        assert numbers(dataset)
