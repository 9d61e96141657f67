"""An evaluation report as one HTML page: nothing in it runs, and nothing is loaded from elsewhere.

`training/report.html.jinja` says what stands where; names of the shop (departments) are escaped there.
"""

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2

from training import report_plots as plots
from training.metrics import Estimate
from training.report_figures import CHALLENGER, CHAMPION, PER_USER, RULE, VIEWS, Figures, Segment

VIEW_TITLES = {"all": "All items", "new": "Items new to the user"}
KINDS = {"users": "Users", "items": "Items", "department": "Departments"}
MEASURES = {
    "ndcg": "NDCG",
    "hit_rate": "hit rate",
    "recall": "recall",
    "precision": "precision",
    "f1": "F1",
    "mrr": "MRR",
    "diversity": "diversity",
    "novelty": "novelty",
    "coverage": "coverage",
    "concentration": "concentration",
}
MEANINGS = {
    "NDCG": "how well the list matches what was bought, the top places counting most; 1 is perfect",
    "hit rate": "share of users with at least one bought item in the list",
    "recall": "share of a user's bought items that the list holds",
    "precision": "share of the list that was bought",
    "F1": "harmonic mean of precision and recall",
    "MRR": "one over the place of the first bought item, 0 without one",
    "diversity": "share of the pairs within a list that are of different categories",
    "novelty": "how rarely the listed items are bought, in bits",
    "coverage": "share of the catalogue that is in anybody's list",
    "concentration": "Gini coefficient of how often each item is listed: 0 is all alike, near 1 is the same few",
    "AUC": "the chance that a bought item scores above one that was not",
    "calibration error": "mean gap between the predicted probability and the share bought, by bin of the scores (ECE)",
}
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What the page shows: which version, on which window, the gate's verdict, the figures, and each stage's losses by epoch."""

    version: str
    champion: str | None  # the version that served before
    day: date
    cutoff: date
    until: date
    verdict: str  # passed, refused, or empty before the gate
    reason: str
    figures: Figures
    losses: dict[str, list[float]]

    def title(self, name: str) -> str:
        """A list's name to show."""
        known = {
            CHALLENGER: f"version {self.version}",
            CHAMPION: f"champion {self.champion}",
            RULE: "buy again by visits",
            "als": "ALS",
        }
        return known.get(name, name.replace("_", " "))

    def segments(self, kind: str) -> list[Segment]:
        return [segment for segment in self.figures.segments if segment.group.kind == kind]


def page(report: Report) -> str:
    """The page."""
    template = TEMPLATES.get_template("report.html.jinja")
    return template.render(
        report=report, figures=report.figures, plots=drawn(report), stages=list(stages(report)),
        views=VIEW_TITLES, kinds=KINDS, measures=MEASURES, meanings=MEANINGS, per_user=PER_USER,
        challenger=CHALLENGER, rule=RULE, title_of=report.title, cell=cell, number=number,
    )  # fmt: skip


def drawn(report: Report) -> dict[str, str]:
    """The plots by name, as SVG."""
    figures, found = report.figures, {}
    for view in VIEWS:
        ndcg = {report.title(name): measures["ndcg"] for name, measures in figures.views[view].lists.items()}
        found[view] = plots.intervals({"NDCG@10": ndcg}, "NDCG@10", f"NDCG@10 by list, {VIEW_TITLES[view].lower()}")
    for kind, title in ((kind, title) for kind, title in KINDS.items() if report.segments(kind)):
        found[kind] = plots.intervals(_by_segment(report, kind), "NDCG@10", f"NDCG@10 by segment: {title.lower()}")
    if report.champion:
        changes = {VIEW_TITLES[view]: figures.views[view].change for view in VIEWS}
        named = {view: {MEASURES[name]: e for name, e in change.items() if name != "novelty"} for view, change in changes.items()}
        found["change"] = plots.intervals(named, "difference", "Difference to the champion by measure", zero=True)
        moved = {segment.group.name: segment.change for segment in figures.segments if segment.change}
        found["change_segments"] = plots.intervals(
            {"NDCG@10": moved}, "difference in NDCG@10", "Difference to the champion by segment", zero=True
        )
    if figures.kept is not None:
        found["kept"] = plots.counts(figures.kept, "of the champion's 10 best, still there", "How many of the top 10 stayed")
    found["distribution"] = plots.distribution(figures.scores[CHALLENGER].distribution, "Scores of bought items and of others")
    tables = {report.title(name): scores.reliability for name, scores in figures.scores.items()}
    found["reliability"] = plots.reliability(tables, "Predicted probability against share bought")
    return found | {stage: plots.curves(lines, f"Loss of the {stage} by epoch") for stage, lines in stages(report).items()}


def stages(report: Report) -> dict[str, dict[str, list[float]]]:
    """Loss by epoch, by stage and line: `encoder_validation` is the line *validation* of the stage *encoder*."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, values in report.losses.items():
        stage, _, line = name.partition("_")
        found.setdefault(stage, {})[line or "training"] = values
    return found


def number(value: float, digits: int = 4) -> str:
    """A figure as the page shows it; a dash for none."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.{digits}f}"


def cell(estimate: Estimate, sign: bool = False) -> dict[str, str]:
    """An estimate in its parts: the value, and its interval if there is one."""
    plus = "+" if sign and estimate.value > 0 else ""
    spread = "" if estimate.low == estimate.high else f"{number(estimate.low, 3)} to {number(estimate.high, 3)}"
    return {"value": plus + number(estimate.value), "interval": "" if math.isnan(estimate.value) else spread}


def _by_segment(report: Report, kind: str) -> dict[str, dict[str, Estimate]]:
    """NDCG@10 of every list by segment."""
    segments = report.segments(kind)
    names = [name for name in (CHALLENGER, CHAMPION, RULE) if any(name in segment.ndcg for segment in segments)]
    return {report.title(name): {segment.group.name: segment.ndcg[name] for segment in segments} for name in names}
