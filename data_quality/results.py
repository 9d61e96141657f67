"""What a gate found: results, the report of a run, and the two tables that remember them.

`ops.gate_results` holds the results of the latest run of each gate and date, `ops.gate_runs` every run.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cartwheel import warehouse


@dataclass(frozen=True, order=True)
class GateResult:
    """One expectation on one table; `level` says what it means when it is not met: fail or warn."""

    checked: str
    expectation: str
    level: str
    success: bool
    observed: str
    advice: str = ""

    def __str__(self) -> str:
        told = f"{self.checked}: {self.expectation}: observed {self.observed}"
        return f"{told}. What to do: {self.advice}." if self.advice else told


@dataclass(frozen=True)
class GateReport:
    """Everything a gate found for a date."""

    gate: str
    day: date
    results: list[GateResult]
    checked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def failures(self) -> list[GateResult]:
        return [result for result in self.results if not result.success and result.level == "fail"]

    @property
    def warnings(self) -> list[GateResult]:
        return [result for result in self.results if not result.success and result.level == "warn"]


class GateFailedError(RuntimeError):
    """Critical expectations were not met; the message names table, expectation, what was observed and what to do."""

    def __init__(self, report: GateReport):
        self.report = report
        lines = "".join(f"\n  {failure}" for failure in report.failures)
        super().__init__(f"gate {report.gate} failed for {report.day}, all results are in ops.gate_results:{lines}")


def record(report: GateReport, data_docs: str) -> None:
    """Write the results to `ops.gate_results` in place of those of an earlier run, and the run to `ops.gate_runs`."""
    seconds = (datetime.now(UTC) - report.checked_at).total_seconds()
    with warehouse.connect() as connection:
        connection.execute("delete from ops.gate_results where gate = %s and business_date = %s", (report.gate, report.day))
        connection.cursor().executemany(
            "insert into ops.gate_results"
            " (gate, business_date, checked, expectation, level, success, observed, advice, checked_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (report.gate, report.day, r.checked, r.expectation, r.level, r.success, r.observed, r.advice, report.checked_at)
                for r in report.results
            ],
        )
        connection.execute(
            "insert into ops.gate_runs"
            " (gate, business_date, checked_at, seconds, expectations, failed, warned, data_docs)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                report.gate, report.day, report.checked_at, seconds, len(report.results),
                [str(failure) for failure in report.failures], [str(warning) for warning in report.warnings], data_docs,
            ),
        )  # fmt: skip
