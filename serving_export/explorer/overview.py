"""What the overview shows: releases, the quality of the models, what the lists cover and led to, what the gates found.

Reads the views of `serving`, `marts.recommendation_performance`, and the gates' results in `ops`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from cartwheel.contracts import LISTS
from serving_export.explorer.releases import Event, Release, events, loaded, served
from serving_export.explorer.rows import rows

GATE_DATES = 10
COVERED = (
    "select list, count(*) from (select distinct list, item_id from serving.recommendations where release_id = %s) group by 1"
)
AVAILABLE = "select count(*) from marts.dim_items where is_current and available"
BOUGHT = """
    select
        release_id,
        list,
        max(days_observed) as days_observed,
        sum(recommended)::bigint as recommended,
        sum(bought_1)::bigint as bought_1,
        sum(bought_7)::bigint as bought_7,
        sum(bought_28)::bigint as bought_28
    from marts.recommendation_performance
    where release_id = any(%s)
    group by release_id, list order by release_id desc, list
"""
GATES = """
    with latest as (
        select distinct on (gate, business_date) gate, business_date, checked_at, expectations, failed, warned
        from ops.gate_runs
        where business_date in (select distinct business_date from ops.gate_runs order by 1 desc limit %s)
        order by gate, business_date, run_id desc
    )
    select
        gate, business_date, checked_at, expectations, cardinality(failed) as failed, cardinality(warned) as warned
    from latest order by business_date desc, checked_at
"""
FINDINGS = """
    select gate, business_date, checked, expectation, level, observed, advice
    from ops.gate_results
    where not success and business_date = any(%s)
    order by business_date desc, level, gate, checked, expectation limit 50
"""


@dataclass(frozen=True)
class Bought:
    """What came of a list of a release: recommendations bought within 1, 7 and 28 days, of the days seen so far."""

    release_id: str
    list: str
    days_observed: int
    recommended: int
    bought_1: int
    bought_7: int
    bought_28: int


@dataclass(frozen=True)
class GateRun:
    """The latest run of a gate for a date."""

    gate: str
    business_date: date
    checked_at: datetime
    expectations: int
    failed: int
    warned: int

    @property
    def outcome(self) -> str:
        return "failed" if self.failed else "warned" if self.warned else "passed"


@dataclass(frozen=True)
class Finding:
    """An expectation that was not met."""

    gate: str
    business_date: date
    checked: str
    expectation: str
    level: str
    observed: str | None
    advice: str | None


@dataclass(frozen=True)
class Overview:
    releases: list[Release]
    release: Release | None
    events: list[Event]
    bought: list[Bought]
    gates: dict[date, list[GateRun]]  # latest date first, in the order they ran
    findings: list[Finding]


@dataclass(frozen=True)
class Coverage:
    """How many items the lists of a release name, of those that may be recommended."""

    items: dict[str, int] | None  # by list; None if the release is too large to be counted
    available: int

    def share(self, items: int) -> float:
        return items / self.available if self.available else 0.0


def read_overview(connection: psycopg.Connection) -> Overview:
    """All but the coverage and the models, in the transaction that the connection is in."""
    releases = loaded(connection)
    gates = by_date(rows(connection, GateRun, GATES, (GATE_DATES,)))
    findings = rows(connection, Finding, FINDINGS, (list(gates),))
    bought = rows(connection, Bought, BOUGHT, ([release.release_id for release in releases],))
    return Overview(releases, served(releases), events(connection), bought, gates, findings)


def read_coverage(connection: psycopg.Connection, release_id: str) -> Coverage:
    """Reads every row of the release."""
    available = connection.execute(AVAILABLE).fetchone()
    covered: dict[str, int] = dict(connection.execute(COVERED, (release_id,)).fetchall())
    return Coverage({name: covered.get(name, 0) for name in LISTS}, available[0] if available else 0)


def by_date(runs: Sequence[GateRun]) -> dict[date, list[GateRun]]:
    """Runs under their date, in the order given."""
    found: dict[date, list[GateRun]] = defaultdict(list)
    for run in runs:
        found[run.business_date].append(run)
    return dict(found)
