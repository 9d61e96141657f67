"""The dates a model of partition date D learns from, and what builds them.

With windows of W days: training cut-offs D-5W, D-4W, D-3W and D-2W, labelled by the W days after each, and the gate's
cut-off D-W, labelled by the W days that end with D. Nothing after D is read. The encoder learns from what came before the
first of them, so a cut-off needs half of the shop's history before it; the last two are taken in any case.

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
WINDOWS, AT_LEAST = 4, 2  # training cut-offs


@dataclass(frozen=True)
class Cutoffs:
    """Features of a cut-off use only what was known at its end; its labels are the `window_days` that follow."""

    training: tuple[date, ...]
    gate: date
    window_days: int

    @property
    def all(self) -> tuple[date, ...]:
        return (*self.training, self.gate)


def cutoffs_for(day: date, window_days: int | None = None, first: date | None = None) -> Cutoffs:
    """The cut-offs of partition date `day`; the window is `settings.label_window_days` unless given.

    With `first`, the first date of the shop's events, only those that have enough history before them.
    """
    days = window_days or get_settings().label_window_days
    *training, gate = (day - timedelta(days=days * windows) for windows in range(WINDOWS + 1, 0, -1))
    middle = date.min if first is None else first + (day - first) / 2
    return Cutoffs((*(cutoff for cutoff in training[:-AT_LEAST] if cutoff >= middle), *training[-AT_LEAST:]), gate, days)


def cutoffs_in_lake(day: date) -> Cutoffs:
    """The cut-offs of partition date `day` that the lake's events reach back far enough for."""
    return cutoffs_for(day, first=min(lake.complete_dates("interactions"), default=day))


def missing_dates(day: date) -> list[date]:
    """The cut-offs of `day` that lack a feature or candidate dataset in the lake, or have one of an earlier version's columns."""
    needed = (*FEATURES, *CANDIDATES)
    return [cutoff for cutoff in cutoffs_in_lake(day).all if not all(lake.is_current(name, cutoff) for name in needed)]


def build_missing(day: date) -> list[date]:
    """Build the cut-offs of `day` that are missing, by the same Spark jobs as any date, as a program of their own.

    Raises:
        subprocess.CalledProcessError: Spark failed; its output says why.
    """
    missing = missing_dates(day)
    log.info("cut-offs", date=str(day), cutoffs=[str(cutoff) for cutoff in cutoffs_in_lake(day).all], missing=len(missing))
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
