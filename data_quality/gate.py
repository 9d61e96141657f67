"""Run a gate: check a date's data between two stages, and stop the chain where it must not go on.

    python -m data_quality.gate raw --date 2017-11-30

Reads what the gate's suite names; writes every result to `ops.gate_results`, replacing those of an earlier run.
An expectation of severity critical fails the gate, one of severity warning is only reported.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import great_expectations as gx
import structlog
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

from cartwheel import warehouse
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import get_settings
from data_quality import candidates, marts, raw, release
from data_quality.checks import WARNING, Check

log = structlog.get_logger()

SUITES: dict[str, Callable[[date], list[Check]]] = {
    "raw": raw.checks,
    "marts": marts.checks,
    "candidates": candidates.checks,
    "release": release.checks,
}


@dataclass(frozen=True)
class GateResult:
    """One expectation on one table; `level` says what it means when it is not met: fail or warn."""

    checked: str
    expectation: str
    level: str
    success: bool
    observed: str

    def __str__(self) -> str:
        return f"{self.checked}: {self.expectation}: observed {self.observed}"


@dataclass(frozen=True)
class GateReport:
    """Everything a gate found for a date."""

    gate: str
    day: date
    results: list[GateResult]

    @property
    def failures(self) -> list[GateResult]:
        return [result for result in self.results if not result.success and result.level == "fail"]

    @property
    def warnings(self) -> list[GateResult]:
        return [result for result in self.results if not result.success and result.level == "warn"]


class GateFailedError(RuntimeError):
    """Critical expectations were not met; the message names table, expectation and what was observed."""

    def __init__(self, report: GateReport):
        self.report = report
        lines = "".join(f"\n  {failure}" for failure in report.failures)
        super().__init__(f"gate {report.gate} failed for {report.day}, all results are in ops.gate_results:{lines}")


def run_gate(name: str, day: date) -> GateReport:
    """Check the data of `day` (and of what waits to be built before it), record the results, and judge them.

    Raises:
        KeyError: there is no gate of that name.
        GateFailedError: a critical expectation was not met.
    """
    started = time.monotonic()
    report = GateReport(name, day, validate(SUITES[name](day)))
    record(report)
    for warning in report.warnings:
        log.warning("gate", gate=name, date=str(day), checked=warning.checked, expectation=warning.expectation,
                    observed=warning.observed)  # fmt: skip
    log.info("gate done", gate=name, date=str(day), expectations=len(report.results), failed=len(report.failures),
             warned=len(report.warnings), seconds=round(time.monotonic() - started, 1))  # fmt: skip
    if report.failures:
        raise GateFailedError(report)
    return report


def validate(checks: Iterable[Check]) -> list[GateResult]:
    """Run the checks: queries inside PostgreSQL, frames in memory."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells at length how it registers itself
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    frames = context.data_sources.add_pandas("frames")
    database = None
    results = []
    for check in checks:
        if isinstance(check.data, str):
            database = database or context.data_sources.add_postgres("warehouse", connection_string=_database_url())
            batch = database.add_query_asset(check.name, query=check.data).add_batch_definition_whole_table("all").get_batch()
        else:
            asset = frames.add_dataframe_asset(check.name)
            batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": check.data})
        # First only whether each is met, in one query for all; then what was observed, for those that are not.
        suite = gx.ExpectationSuite(name=check.name, expectations=check.expectations)
        for result in batch.validate(suite, result_format="BOOLEAN_ONLY").results:
            if not result.success:
                result = batch.validate(_config(result).to_domain_obj(), result_format="SUMMARY")
            results.append(judge(check.name, result))
    return sorted(results, key=lambda result: (result.checked, result.expectation))


def judge(checked: str, result: ExpectationValidationResult) -> GateResult:
    """What one validation result means. One that could not be computed fails, whatever its severity."""
    config = _config(result)
    columns = [str(config.kwargs[key]) for key in ("column", "column_A", "column_B") if key in config.kwargs]
    expectation = config.description or f"{config.type}({', '.join(columns)})"
    error = _error_of(result)
    level = "warn" if config.severity == WARNING and not error else "fail"
    return GateResult(checked, expectation, level, bool(result.success), error or _observed(result.result))


def record(report: GateReport) -> None:
    """Write the results to `ops.gate_results` in place of those of an earlier run."""
    with warehouse.connect() as connection:
        connection.execute("delete from ops.gate_results where gate = %s and business_date = %s", (report.gate, report.day))
        connection.cursor().executemany(
            "insert into ops.gate_results (gate, business_date, checked, expectation, level, success, observed)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [(report.gate, report.day, r.checked, r.expectation, r.level, r.success, r.observed) for r in report.results],
        )


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
            return f"could not be checked: {str(problem.get('exception_message')).splitlines()[0]}"
    return None


def _database_url() -> str:
    parts = {name: str(value) for name, value in conninfo_to_dict(get_settings().postgres_dsn).items()}
    where = (parts["host"], int(parts.get("port", 5432)), parts["dbname"])
    url = URL.create("postgresql+psycopg2", parts["user"], parts.get("password"), *where)
    return url.render_as_string(hide_password=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gate", choices=SUITES)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    arguments = parser.parse_args()
    try:
        run_gate(arguments.gate, arguments.date)
    except GateFailedError as error:
        raise SystemExit(f"cartwheel: {error}") from None


if __name__ == "__main__":
    main()
