"""Data Docs: each run of a gate as pages that a person reads, in the lake's bucket.

    data-docs/<date>/<gate>/<time of the run>/index.html     every result of the run, what failed first
    data-docs/<date>/<gate>/<time of the run>/<n>.html       Great Expectations' own page of one table

Airflow shows them under `/data-docs/` (plugins/data_docs.py) and links them from the task of the gate. The pages need nothing
from outside: what Great Expectations would load from other sites is left out, and a small style stands in for it.
"""

import html
import re
from datetime import date, timedelta

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from cartwheel import lake
from cartwheel.settings import get_settings
from data_quality.results import GateReport, GateResult
from data_quality.validation import Validated

PREFIX = "data-docs"
KEPT_DAYS = 90  # before the date of the run

VIEW = DefaultJinjaPageView()  # one for all pages: it reads its templates once
# Scripts, styles and images of other sites, the buttons that need the scripts, and the invitation to a newsletter.
FOREIGN = re.compile(
    r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*\bsrc=[\"']https?:[^>]*>|<footer\b.*?</footer>"
    r"|<label\b[^>]*\bonclick=.*?</label>|<strong>(?:Actions|Table of Contents)</strong>|Validation Filter:",
    re.DOTALL | re.IGNORECASE,
)
STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1rem 2rem; color: #1c2430; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { border-bottom: 1px solid #d8dee6; padding: .35rem .6rem; text-align: left; vertical-align: top; }
nav, .navbar, .ge-navigation-sidebar-container, .modal, .collapse:not(.show) nav { display: none; }
.failed { color: #b3261e; font-weight: 600; } .warned { color: #9a6700; font-weight: 600; } .met { color: #1a7f37; }
a { color: #0b57d0; } .badge { padding: 0 .4rem; border-radius: .3rem; background: #eef1f5; }
</style>"""
BACK = '<body><p><a href="index.html">All results of this run</a></p>'


def run_prefix(report: GateReport) -> str:
    """Where the pages of a run lie."""
    return f"{PREFIX}/{report.day}/{report.gate}/{report.checked_at:%Y%m%dT%H%M%S.%fZ}/"


def publish(report: GateReport, validated: list[Validated]) -> str:
    """Write the pages of a run, its first page last, and remove those past their age. Returns the first page's key."""
    bucket, prefix = get_settings().lake_bucket, run_prefix(report)
    pages = {}
    for number, checked in enumerate(validated, start=1):
        if checked.outcome is not None:
            pages[checked.check.name] = f"{number}.html"
            _put(bucket, prefix + pages[checked.check.name], expectations_page(checked.outcome))
    _put(bucket, prefix + "index.html", first_page(report, pages))
    remove_old(report.day - timedelta(days=KEPT_DAYS))
    return prefix + "index.html"


def expectations_page(outcome: ExpectationSuiteValidationResult) -> str:
    """Great Expectations' page of one table, by itself."""
    page = VIEW.render(ValidationResultsPageRenderer(run_info_at_end=False).render(outcome))
    return FOREIGN.sub("", page).replace("</head>", STYLE + "</head>", 1).replace("<body>", BACK, 1)


def first_page(report: GateReport, pages: dict[str, str]) -> str:
    """Every result of a run: what failed first, then what warned, then what is as expected."""
    verdict = "failed" if report.failures else "passed with warnings" if report.warnings else "passed"
    rows = "".join(_row(result, pages) for result in sorted(report.results, key=_urgency))
    title = html.escape(f"Gate {report.gate} on {report.day}: {verdict}")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{STYLE}</head><body><h1>{title}</h1>'
        f"<p>{len(report.results)} expectations, {len(report.failures)} failed, {len(report.warnings)} warned;"
        f" checked at {report.checked_at:%Y-%m-%d %H:%M:%S} UTC.</p><table><thead><tr><th>Verdict</th><th>Table</th>"
        f"<th>Expected</th><th>Observed</th><th>What to do</th></tr></thead><tbody>{rows}</tbody></table></body></html>"
    )


def remove_old(before: date) -> None:
    """Remove the pages of the dates before, a run's at a time."""
    bucket = get_settings().lake_bucket
    listed = lake.s3_client().list_objects_v2(Bucket=bucket, Prefix=f"{PREFIX}/", Delimiter="/")
    for folder in listed.get("CommonPrefixes", []):
        if folder["Prefix"].split("/")[1] < before.isoformat():
            for page in lake.list_objects(bucket, folder["Prefix"]):
                lake.s3_client().delete_object(Bucket=bucket, Key=page["Key"])


def _urgency(result: GateResult) -> tuple[bool, bool, str, str]:
    return result.success, result.level != "fail", result.checked, result.expectation


def _row(result: GateResult, pages: dict[str, str]) -> str:
    verdict = "met" if result.success else {"fail": "failed", "warn": "warned"}[result.level]
    name = html.escape(result.checked)
    linked = f'<a href="{pages[result.checked]}">{name}</a>' if result.checked in pages else name
    told = "".join(f"<td>{html.escape(text)}</td>" for text in (result.expectation, result.observed, result.advice))
    return f'<tr><td class="{verdict}">{verdict}</td><td>{linked}</td>{told}</tr>'


def _put(bucket: str, key: str, page: str) -> None:
    lake.s3_client().put_object(Bucket=bucket, Key=key, Body=page.encode(), ContentType="text/html; charset=utf-8")
