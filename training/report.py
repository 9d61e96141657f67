"""The evaluation report of a version: how good it is, for whom, and what changes against the champion before it.

    python -m training.report --version 3                      writes the page to the version's run in MLflow
    python -m training.report --version 3 --out report.html    writes it to a file instead

Reads the version's model, tags and losses, the champion it was judged against, the gate's cut-off of the lake (features,
candidates) and what was bought in the window after it. Writes the artifact `report.html` of the version's MLflow run, and its
main figures as metrics `report_*`. Airflow shows the page under `/evaluation-reports/` (plugins/evaluation_reports.py).
"""

import argparse
from datetime import timedelta
from pathlib import Path

import polars as pl
import structlog

from cartwheel import champion as champions
from training import data, gate, registry, verdicts
from training.cutoffs import cutoffs_for
from training.report_figures import CHALLENGER, CHAMPION, Figures, Window, measure
from training.report_page import Report, page

log = structlog.get_logger()

ARTIFACT = "report.html"


def write(version: str) -> None:
    """Make the report of a registered version and log it to its run.

    Raises:
        cartwheel.lake.MissingPartitionError: the gate's cut-off is not in the lake.
        ValueError: nothing was bought in the gate's window.
    """
    client, report = champions.registry_client(), make(version)
    run = str(client.get_model_version(champions.MODEL, version).run_id)
    client.log_text(run, page(report), ARTIFACT)
    for name, value in main_figures(report.figures).items():
        client.log_metric(run, f"report_{name}", value)
    log.info("report", version=version, run=run, artifact=ARTIFACT)


def make(version: str) -> Report:
    """Measure a registered version on the gate's window."""
    found = champions.registry_client().get_model_version(champions.MODEL, version)
    day = champions.trained_for(found)
    challenger, before = registry.load(version), verdicts.judged_against(found)
    champion = None if before is None else registry.load(before)
    cutoffs, minimum = cutoffs_for(day, challenger.config["label_window_days"]), gate.fewest_purchases(challenger, champion)
    cutoff = cutoffs.gate
    tables = data.load(cutoff, known_on=day)
    events = data.window_events(cutoff, known_on=day, days=cutoffs.window_days)
    als = data.with_consent(data.read("candidates/als", cutoff), day)
    window = Window(*gate.in_catalogue(tables, als, minimum), events.filter(pl.col("event_type") == "purchase"), minimum)
    scores = {CHALLENGER: gate.scores(challenger, tables)}
    if champion is not None:
        scores[CHAMPION] = gate.scores(champion, tables)
    return Report(
        version=version,
        champion=before,
        day=day,
        cutoff=cutoff,
        until=cutoff + timedelta(days=cutoffs.window_days),
        verdict=found.tags.get(champions.GATE_TAG, ""),
        reason=found.tags.get("gate_reason", ""),
        figures=measure(window, scores),
        losses=registry.losses(str(found.run_id)),
    )


def main_figures(figures: Figures) -> dict[str, float]:
    """What MLflow compares versions by: `all_ndcg` and so on, by view and measure of the version's own lists."""
    views = figures.views.items()
    listed = {f"{view}_{name}": e.value for view, found in views for name, e in found.lists[CHALLENGER].items()}
    own = figures.scores[CHALLENGER]
    return listed | {"auc": own.auc.value, "calibration_error": own.calibration_error}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", type=Path, help="write the page to this file, and nothing to MLflow")
    arguments = parser.parse_args()
    if arguments.out:
        arguments.out.write_text(page(make(arguments.version)))
    else:
        write(arguments.version)
