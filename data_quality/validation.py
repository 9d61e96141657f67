"""Putting checks to Great Expectations, and judging what it says.

Queries run inside PostgreSQL, frames in memory. Severity decides: critical fails, warning warns. Whatever could not be
checked fails, whatever its severity. Great Expectations' own results are kept for its Data Docs.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import numpy as np
import structlog
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.datasource.fluent.interfaces import Batch
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

from cartwheel.settings import get_settings
from data_quality.checks import WARNING, Check
from data_quality.results import GateResult

log = structlog.get_logger()


@dataclass(frozen=True)
class Validated:
    """A check with its results; `outcome` is what Great Expectations said, None where it could not even read the data."""

    check: Check
    results: list[GateResult]
    outcome: ExpectationSuiteValidationResult | None


def validate(checks: Iterable[Check]) -> list[Validated]:
    """Put the checks to Great Expectations, in their order."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells at length how it registers itself
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    sources = _Sources(context)
    validated = []
    for check in checks:
        try:
            outcome = _validate(check, sources.batch(check))
        except Exception as error:  # a query that cannot run, a table that is not there: that is a result, and it fails
            observed = f"could not be checked: {_in_one_line(error)}"
            log.error("gate", checked=check.name, observed=observed)  # no traceback: its variables hold the connection
            unread = GateResult(check.name, "the data can be read", "fail", False, observed, check.rule.advice)
            validated.append(Validated(check, [unread], None))
        else:
            results = [judge(check, result) for result in outcome.results]
            validated.append(Validated(check, sorted(results, key=lambda result: result.expectation), outcome))
    return validated


def judge(check: Check, result: ExpectationValidationResult) -> GateResult:
    """What one validation result means. One that could not be computed fails, whatever its severity."""
    config = _config(result)
    columns = [str(config.kwargs[key]) for key in ("column", "column_A", "column_B") if key in config.kwargs]
    expectation = config.description or f"{config.type}({', '.join(columns)})"
    error = _error_of(result)
    level = "warn" if config.severity == WARNING and not error else "fail"
    said = check.said.get(columns[0]) if len(columns) == 1 else None
    success = bool(result.success) and not error
    observed = error or said or _observed(result.result)
    return GateResult(check.name, expectation, level, success, observed, "" if success else check.rule.advice)


class _Sources:
    """Where checks are put: the warehouse is only connected to if one asks for it."""

    def __init__(self, context: Any):
        self.context = context
        self.frames = context.data_sources.add_pandas("frames")
        self.database: Any = None

    def batch(self, check: Check) -> Batch:
        if isinstance(check.data, str):
            self.database = self.database or self.context.data_sources.add_postgres(
                "warehouse", connection_string=_database_url()
            )
            return self.database.add_query_asset(check.name, query=check.data).add_batch_definition_whole_table("all").get_batch()
        asset = self.frames.add_dataframe_asset(check.name)
        return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": check.data})


def _validate(check: Check, batch: Batch) -> ExpectationSuiteValidationResult:
    """First only whether each is met, in one query for all; then what was observed, for those that are not."""
    suite = gx.ExpectationSuite(name=check.name, expectations=check.rule.expectations)
    outcome = batch.validate(suite, result_format="BOOLEAN_ONLY")
    outcome.results = [
        result if result.success else _plain(batch.validate(_config(result).to_domain_obj(), result_format="SUMMARY"))
        for result in outcome.results
    ]
    return outcome


def _plain(result: ExpectationValidationResult) -> ExpectationValidationResult:
    """With Python's numbers in place of NumPy's, which Data Docs cannot show."""
    for key, value in (result.result or {}).items():
        if isinstance(value, np.generic):
            result.result[key] = value.item()
        elif isinstance(value, list):
            result.result[key] = [item.item() if isinstance(item, np.generic) else item for item in value]
    return result


def _config(result: ExpectationValidationResult) -> ExpectationConfiguration:
    assert result.expectation_config is not None, "every result of a suite names its expectation"
    return result.expectation_config


def _observed(result: dict) -> str:
    if not result:
        return "as expected"
    if "observed_value" in result:
        return str(result["observed_value"])
    unexpected = [value for value in result.get("partial_unexpected_list") or [] if value is not None]
    examples = ", ".join(dict.fromkeys(map(str, unexpected[:3])))
    rows = f"{result.get('unexpected_count') or 0} of {result.get('element_count')} rows unexpected"
    return f"{rows}, such as {examples}" if examples else rows


def _error_of(result: ExpectationValidationResult) -> str | None:
    """Why the expectation could not be computed, if it could not."""
    info = result.exception_info or {}
    for problem in [info, *(value for value in info.values() if isinstance(value, dict))]:
        if problem.get("raised_exception"):
            return f"could not be checked: {_in_one_line(problem.get('exception_message'))}"
    return None


def _in_one_line(error: object) -> str:
    """The message up to where a driver appends the query and its parameters."""
    return " ".join((str(error) or type(error).__name__).partition("[SQL:")[0].split())


def _database_url() -> str:
    parts = {name: str(value) for name, value in conninfo_to_dict(get_settings().postgres_dsn).items()}
    where = (parts["host"], int(parts.get("port", 5432)), parts["dbname"])
    url = URL.create("postgresql+psycopg2", parts["user"], parts.get("password"), *where)
    return url.render_as_string(hide_password=False)
