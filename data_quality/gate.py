"""Run a gate: check a date's data between two stages, and stop the chain where it must not go on.

    python -m data_quality.gate raw --date 2017-11-30
    python -m data_quality.gate features candidates --date 2017-11-30

Reads what the gate's suite names; writes every result to `ops.gate_results`, replacing those of an earlier run, the run to
`ops.gate_runs`, and its Data Docs to the lake's bucket. An expectation of severity critical fails the gate, one of severity
warning is only reported.
"""

import argparse
from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol

import structlog

from cartwheel.contracts import parse_partition_key
from data_quality import candidates, data_docs, features, marts, raw, release
from data_quality.checks import Check, Rule
from data_quality.results import GateFailedError, GateReport, GateResult, record
from data_quality.validation import Validated, validate

log = structlog.get_logger()


class Suite(Protocol):
    """What a gate consists of: its rules, and the checks of a date."""

    def rules(self) -> dict[str, Rule]: ...

    def checks(self, day: date) -> list[Check]: ...


# In the order in which the chain meets them.
SUITES: dict[str, Suite] = {
    "raw": raw,
    "marts": marts,
    "features": features,
    "candidates": candidates,
    "release": release,
}


def run_gate(name: str, day: date, published: Callable[[str], None] = lambda key: None) -> GateReport:
    """Check the data of `day` (and of what waits to be built before it), record the results, and judge them.

    `published` is told the key of the first page of the Data Docs as soon as it is there, before the gate is judged.

    Raises:
        KeyError: there is no gate of that name.
        GateFailedError: a critical expectation was not met.
        Exception: the suite's data could not be read; that is recorded as a failure, too.
    """
    suite, report = SUITES[name], GateReport(name, day, [])
    try:
        validated = validate(suite.checks(day))
    except Exception as error:
        unread = GateResult(name, "the suite's data can be read", "fail", False, f"{type(error).__name__}: {error}")
        published(_publish(GateReport(name, day, [unread], report.checked_at), []))
        raise
    report.results.extend(sorted(result for checked in validated for result in checked.results))
    published(_publish(report, validated))
    if report.failures:
        raise GateFailedError(report)
    return report


def run_gates(names: Sequence[str], day: date, published: Callable[[str], None] = lambda key: None) -> list[GateReport]:
    """Run gates one after the other, until one fails; starting a process takes longer than most gates.

    Raises:
        GateFailedError: a critical expectation was not met.
    """
    return [run_gate(name, day, published) for name in names]


def _publish(report: GateReport, validated: list[Validated]) -> str:
    """Write the Data Docs, record the results, and log what was found. Returns the key of the Data Docs' first page."""
    key = data_docs.publish(report, validated)
    record(report, key)
    for warning in report.warnings:
        log.warning("gate", gate=report.gate, date=str(report.day), checked=warning.checked, expectation=warning.expectation,
                    observed=warning.observed)  # fmt: skip
    log.info("gate done", gate=report.gate, date=str(report.day), expectations=len(report.results), failed=len(report.failures),
             warned=len(report.warnings), data_docs=key)  # fmt: skip
    return key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gates", nargs="+", choices=SUITES)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    arguments = parser.parse_args()
    try:
        run_gates(arguments.gates, arguments.date)
    except GateFailedError as error:
        raise SystemExit(f"cartwheel: {error}") from None


if __name__ == "__main__":
    main()
