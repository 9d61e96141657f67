"""The dates a model of partition date D learns from, and what builds them.

With windows of W days: training cut-offs D-3W and D-2W, labelled by the W days after each, and the gate's cut-off D-W,
labelled by the W days that end with D. Nothing after D is read.

    python -m training.cutoffs --date 2017-11-30      builds what is missing of them in the lake
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta

import structlog

from cartwheel import export, lake
from cartwheel.contracts import parse_partition_key
from cartwheel.features import FEATURES
from cartwheel.settings import PROJECT_ROOT, get_settings

log = structlog.get_logger()

CANDIDATES = ("candidates/union", "candidates/als")


@dataclass(frozen=True)
class Cutoffs:
    """Features of a cut-off use only what was known at its end; its labels are the `window_days` that follow."""

    training: tuple[date, ...]
    gate: date
    window_days: int

    @property
    def all(self) -> tuple[date, ...]:
        return (*self.training, self.gate)


def cutoffs_for(day: date, window_days: int | None = None) -> Cutoffs:
    """The cut-offs of partition date `day`; the window is `settings.label_window_days` unless given."""
    days = window_days or get_settings().label_window_days
    third, second, first = (day - timedelta(days=days * windows) for windows in (3, 2, 1))
    return Cutoffs((third, second), first, days)


def missing_dates(day: date) -> list[date]:
    """The cut-offs of `day` that lack a feature or candidate dataset in the lake, or have one of an earlier version's columns."""
    needed = (*FEATURES, *CANDIDATES)
    return [cutoff for cutoff in cutoffs_for(day).all if not all(lake.is_current(name, cutoff) for name in needed)]


def build_missing(day: date) -> list[date]:
    """Build the cut-offs of `day` that are missing, by the same Spark jobs as any date, as a program of their own.

    Raises:
        subprocess.CalledProcessError: Spark failed; its output says why.
    """
    missing = missing_dates(day)
    log.info("cut-offs", date=str(day), cutoffs=[str(cutoff) for cutoff in cutoffs_for(day).all], missing=len(missing))
    for cutoff in missing:
        if not all(lake.exists(name, cutoff) for name in export.SNAPSHOTS):
            export.export_snapshots(cutoff)
    if missing:
        dates = [argument for cutoff in missing for argument in ("--date", cutoff.isoformat())]
        subprocess.run([sys.executable, "-m", "spark_jobs", *dates], check=True, cwd=PROJECT_ROOT)
    return missing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    build_missing(parser.parse_args().date)
