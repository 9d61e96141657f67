"""How results are judged: by the severity of each expectation, never by Great Expectations' own overall verdict."""

from datetime import date

import great_expectations.expectations as gxe
import pandas as pd
import pytest

from data_quality.checks import WARNING, Check, Rule, always, no_rows, none_of
from data_quality.results import GateFailedError, GateReport, GateResult
from data_quality.validation import validate

DAY = date(1999, 1, 1)
FRAME = pd.DataFrame({"id": ["a", "b", None], "price": [1.0, 2.0, 300.0], "problem": [None, "b.csv: too many", None]})


def results(name: str, frame: pd.DataFrame, *expectations: gxe.Expectation, **said: str) -> list[GateResult]:
    (validated,) = validate([Check(name, frame, Rule(list(expectations), "mend the file"), said)])
    return validated.results


def verdicts(*expectations: gxe.Expectation, **said: str) -> GateReport:
    return GateReport("test", DAY, results("shop.items", FRAME, *expectations, **said))


def test_a_critical_expectation_that_is_not_met_fails_and_names_what_was_seen():
    report = verdicts(gxe.ExpectColumnValuesToNotBeNull(column="id"))
    assert report.warnings == []
    assert [str(failure) for failure in report.failures] == [
        "shop.items: expect_column_values_to_not_be_null(id): observed 1 of 3 rows unexpected. What to do: mend the file."
    ]
    assert "gate test failed for 1999-01-01" in str(GateFailedError(report))
    assert "shop.items: expect_column_values_to_not_be_null(id)" in str(GateFailedError(report))


def test_a_warning_that_is_not_met_fails_nothing():
    report = verdicts(gxe.ExpectColumnValuesToBeBetween(column="price", max_value=100, severity=WARNING))
    assert report.failures == []
    assert [(w.level, w.observed) for w in report.warnings] == [("warn", "1 of 3 rows unexpected, such as 300.0")]


def test_what_is_met_is_recorded_as_met():
    (result,) = verdicts(gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0)).results
    assert result == GateResult("shop.items", "expect_column_values_to_be_between(price)", "fail", True, "as expected")


def test_an_expectation_that_cannot_be_computed_fails_even_as_a_warning():
    report = verdicts(gxe.ExpectColumnValuesToNotBeNull(column="no_such_column", severity=WARNING))
    assert [failure.level for failure in report.failures] == ["fail"]
    assert "could not be checked" in report.failures[0].observed
    assert "no_such_column" in report.failures[0].observed


def test_a_described_problem_is_shown_as_observed():
    report = verdicts(none_of("problem"))
    assert "such as b.csv: too many" in report.failures[0].observed


@pytest.mark.parametrize(("value", "failures"), [(0, 1), (1, 0)])
def test_always(value, failures):
    frame = pd.DataFrame({"wrong": [1, 1]})
    assert sum(not result.success for result in results("t", frame, always("wrong", value))) == failures


def test_what_is_said_of_a_column_is_what_was_observed_met_or_not():
    expectations = [gxe.ExpectColumnValuesToBeBetween(column="price", max_value=high, severity=level, description=f"{high}")
                    for high, level in ((100, WARNING), (1000, "critical"))]  # fmt: skip
    report = verdicts(*expectations, price="300 dollars")
    assert [(r.expectation, r.level, r.success, r.observed) for r in report.results] == [
        ("100", "warn", False, "300 dollars"),
        ("1000", "fail", True, "300 dollars"),
    ]


def test_a_null_measurement_is_no_verdict():
    frame = pd.DataFrame({"price": pd.Series([None], dtype="float64")})
    (result,) = results("t", frame, gxe.ExpectColumnValuesToBeBetween(column="price", max_value=1), price="no verdict: 3 days")
    assert (result.success, result.observed) == (True, "no verdict: 3 days")


def test_no_rows():
    frame = pd.DataFrame({"key": ["a"]})
    (result,) = results("t", frame, no_rows("keys that repeat"))
    assert (result.expectation, result.success, result.observed) == ("keys that repeat", False, "1")
    assert results("t", frame.head(0), no_rows("keys that repeat"))[0].success
