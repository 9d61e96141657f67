"""A gate that fails stops its caller and leaves its results, once, in `ops.gate_results`."""

from datetime import date

import great_expectations.expectations as gxe
import pytest

from cartwheel import warehouse
from data_quality import gate
from data_quality.checks import WARNING, Check

DAY = date(1999, 1, 2)

pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def gate_results():
    """Reads the test gate's results; they are removed afterwards."""

    def read() -> list[tuple]:
        with warehouse.connect() as connection:
            return connection.execute(
                "select checked, expectation, level, success, observed from ops.gate_results"
                " where gate = 'test' and business_date = %s order by expectation",
                (DAY,),
            ).fetchall()

    yield read
    with warehouse.connect() as connection:
        connection.execute("delete from ops.gate_results where business_date = %s", (DAY,))


def suite(highest_price: float):
    query = "select * from (values ('a', 1.0), ('b', 9.0)) as shop (item_id, price)"
    expectations = [
        gxe.ExpectColumnValuesToBeBetween(column="price", max_value=highest_price),
        gxe.ExpectColumnValuesToBeInSet(column="item_id", value_set=["a"], severity=WARNING),
    ]
    return lambda day: [Check("shop", query, expectations)]


def test_a_failed_gate_raises_and_is_recorded_and_a_later_run_replaces_it(monkeypatch, gate_results):
    monkeypatch.setitem(gate.SUITES, "test", suite(highest_price=5))
    with pytest.raises(gate.GateFailedError, match=r"shop: expect_column_values_to_be_between\(price\): observed 1 of 2 rows"):
        gate.run_gate("test", DAY)
    assert [row[:4] for row in gate_results()] == [
        ("shop", "expect_column_values_to_be_between(price)", "fail", False),
        ("shop", "expect_column_values_to_be_in_set(item_id)", "warn", False),
    ]

    monkeypatch.setitem(gate.SUITES, "test", suite(highest_price=10))
    report = gate.run_gate("test", DAY)
    assert [warning.level for warning in report.warnings] == ["warn"]
    assert [row[2:4] for row in gate_results()] == [("fail", True), ("warn", False)]


def test_the_raw_gate_fails_for_a_date_without_events(gate_results):
    with pytest.raises(
        gate.GateFailedError, match=r"raw.interactions of 1999-01-02: expect_column_values_to_be_between\(events\)"
    ):
        gate.run_gate("raw", DAY)


def test_an_unknown_gate_is_an_error():
    with pytest.raises(KeyError):
        gate.run_gate("no such gate", DAY)
