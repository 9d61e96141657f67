"""A gate that fails stops its caller and leaves its results, once, in `ops.gate_results`."""

import re
from datetime import date

import great_expectations.expectations as gxe
import pytest

from cartwheel import lake, warehouse
from cartwheel.settings import get_settings
from data_quality import data_docs, gate
from data_quality.checks import WARNING, Check, Rule
from data_quality.results import GateFailedError

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
        for table in ("gate_results", "gate_runs", "daily_profiles"):
            connection.execute(f"delete from ops.{table} where business_date = %s", (DAY,))
    for page in lake.list_objects(get_settings().lake_bucket, f"data-docs/{DAY}/"):
        lake.s3_client().delete_object(Bucket=get_settings().lake_bucket, Key=page["Key"])


SHOP = "select * from (values ('a', 1.0), ('b', 9.0)) as shop (item_id, price)"


class Suite:
    """One check on a table of two rows, or on whatever query is given."""

    def __init__(
        self, highest_price: float = 10, query: str = "select * from (values ('a', 1.0), ('b', 9.0)) as shop (item_id, price)"
    ):
        expectations = [
            gxe.ExpectColumnValuesToBeBetween(column="price", max_value=highest_price),
            gxe.ExpectColumnValuesToBeInSet(column="item_id", value_set=["a"], severity=WARNING),
        ]
        self.query, self.rule = query, Rule(expectations, "mend the file")

    def rules(self) -> dict[str, Rule]:
        return {"shop": self.rule}

    def checks(self, day: date) -> list[Check]:
        return [Check("shop", self.query, self.rule)]


def test_a_failed_gate_raises_and_is_recorded_and_a_later_run_replaces_it(monkeypatch, gate_results):
    monkeypatch.setitem(gate.SUITES, "test", Suite(highest_price=5))
    message = (
        r"shop: expect_column_values_to_be_between\(price\): observed 1 of 2 rows .*, such as 9.0. What to do: mend the file"
    )
    with pytest.raises(GateFailedError, match=message):
        gate.run_gate("test", DAY)
    assert [row[:4] for row in gate_results()] == [
        ("shop", "expect_column_values_to_be_between(price)", "fail", False),
        ("shop", "expect_column_values_to_be_in_set(item_id)", "warn", False),
    ]

    monkeypatch.setitem(gate.SUITES, "test", Suite(highest_price=10))
    report = gate.run_gate("test", DAY)
    assert [warning.level for warning in report.warnings] == ["warn"]
    assert [row[2:4] for row in gate_results()] == [("fail", True), ("warn", False)]
    with warehouse.connect() as connection:
        runs = connection.execute(
            "select expectations, cardinality(failed), warned[1] from ops.gate_runs where business_date = %s order by run_id",
            (DAY,),
        ).fetchall()
    assert [run[:2] for run in runs] == [(2, 1), (2, 0)]
    assert all(run[2].startswith("shop: expect_column_values_to_be_in_set(item_id): observed 1 of 2 rows") for run in runs)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from raw.no_such_table", 'relation "raw.no_such_table" does not exist'),
        ("select item_id from (values ('a')) as shop (item_id)", "price"),
        ("selekt", "query must start with 'SELECT'"),
        ("select 1 / 0 as price, 'a' as item_id", "division by zero"),
    ],
)
def test_what_cannot_be_checked_fails_the_gate(monkeypatch, gate_results, query, said):
    monkeypatch.setitem(gate.SUITES, "test", Suite(query=query))
    with pytest.raises(GateFailedError, match=f"could not be checked.*{re.escape(said)}"):
        gate.run_gate("test", DAY)
    assert any(not success and level == "fail" for _, _, level, success, _ in gate_results())


def test_a_suite_whose_data_is_missing_fails_and_leaves_no_older_verdict(monkeypatch, gate_results):
    monkeypatch.setitem(gate.SUITES, "test", Suite())
    gate.run_gate("test", DAY)
    monkeypatch.setattr(gate.SUITES["test"], "checks", lambda day: lake.read("features/user", day))
    with pytest.raises(lake.MissingPartitionError):
        gate.run_gate("test", DAY)
    ((checked, expectation, level, success, observed),) = gate_results()
    assert (checked, expectation, level, success) == ("test", "the suite's data can be read", "fail", False)
    assert "features/user/date=1999-01-02/ is missing or incomplete: run the chain" in observed


def test_data_docs_hold_every_result_and_nothing_of_other_sites(monkeypatch, gate_results):
    monkeypatch.setitem(gate.SUITES, "test", Suite())
    published = []
    gate.run_gate("test", DAY, published.append)
    (first,) = published
    assert re.fullmatch(r"data-docs/1999-01-02/test/\d{8}T\d{6}\.\d{6}Z/index.html", first)
    bucket = get_settings().lake_bucket
    page = lake.get_bytes(bucket, first).decode()
    assert "Gate test on 1999-01-02: passed with warnings" in page
    assert page.index("expect_column_values_to_be_in_set(item_id)") < page.index("expect_column_values_to_be_between(price)")
    assert 'href="1.html"' in page
    own = lake.get_bytes(bucket, first.replace("index.html", "1.html")).decode()
    assert "values must be less than or equal to" in re.sub(r"<[^>]+>|\s+", " ", own).replace("  ", " ")
    for text in (page, own):
        assert not re.search(r"<(script|link|img|iframe)\b", text)
    with warehouse.connect() as connection:
        row = connection.execute("select data_docs from ops.gate_runs where business_date = %s", (DAY,)).fetchone()
    assert row == (first,)


def test_pages_past_their_age_are_removed(stores):
    bucket = get_settings().lake_bucket
    for day in ("1990-01-01", "1990-01-02"):
        lake.s3_client().put_object(Bucket=bucket, Key=f"data-docs/{day}/raw/run/index.html", Body=b"old")
    data_docs.remove_old(date(1990, 1, 2))
    left = [item["Key"] for item in lake.list_objects(bucket, "data-docs/1990")]
    assert left == ["data-docs/1990-01-02/raw/run/index.html"]
    data_docs.remove_old(date(1990, 1, 3))


def test_the_raw_gate_fails_for_a_date_without_events(gate_results):
    with pytest.raises(
        GateFailedError, match=r"raw.interactions, arrival: .*\(events\).*such as 0.*have the date's interactions"
    ):
        gate.run_gate("raw", DAY)


def test_an_unknown_gate_is_an_error():
    with pytest.raises(KeyError):
        gate.run_gate("no such gate", DAY)
