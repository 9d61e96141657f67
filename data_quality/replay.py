"""What the drift checks would have said of past dates: for setting the thresholds on a shop's own data.

    python -m data_quality.replay --from 2017-10-01 --to 2017-11-30

Reads `ops.daily_profiles`, profiling what is missing of raw, and `marts.daily_kpis`; writes no verdict. Prints, for each
measure, on how many dates it had a verdict, warned and failed, and the date on which it was furthest from usual.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from rich.console import Console
from rich.table import Table

from cartwheel.contracts import parse_partition_key
from data_quality import drift, features, marts, profiles, raw_drift
from data_quality.drift import SIDES, Measurement
from data_quality.thresholds import WEEKDAY_DAYS, levels


@dataclass(frozen=True)
class Verdict:
    """One measure of one date."""

    dataset: str
    day: date
    measurement: Measurement

    @property
    def distance(self) -> float:
        """How far from usual, on the side that counts."""
        value = self.measurement.value or 0.0
        return abs(value) if SIDES[self.measurement.measure] == "both" else value

    def past(self, limit: float | None) -> bool:
        return limit is not None and self.distance > limit


def replay(first: date, last: date) -> list[Verdict]:
    """All verdicts from `first` to `last`: of raw and marts, and of the features of dates whose gate has run."""
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    known = {dataset: profiles.load(dataset, first - timedelta(days=WEEKDAY_DAYS), last) for dataset in features.KEYS}
    found = []
    for day in days:
        raw_drift.refresh(day, [])
        by_dataset = {raw_drift.DATASET: raw_drift.measurements(day), "marts.daily_kpis": marts.key_figures(day)}
        for dataset, by_date in known.items():
            if day in by_date:
                past = {date_: columns for date_, columns in by_date.items() if date_ < day}
                by_dataset[dataset] = drift.measure(day, by_date[day], past, features.measured(dataset))
        found += [Verdict(dataset, day, m) for dataset, measured in by_dataset.items() for m in measured if m.value is not None]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", required=True, type=parse_partition_key)
    parser.add_argument("--to", dest="last", required=True, type=parse_partition_key)
    arguments = parser.parse_args()
    by_measure: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for verdict in replay(arguments.first, arguments.last):
        by_measure[verdict.dataset, verdict.measurement.column, verdict.measurement.measure].append(verdict)
    table = Table("dataset", "column: measure", "dates", "warned", "failed", "furthest", "what it said")
    total, warned, failed = 0, 0, 0
    for key, verdicts in by_measure.items():
        limits, worst = levels(*key), max(verdicts, key=lambda verdict: verdict.distance)
        failures = sum(verdict.past(limits.fail) for verdict in verdicts)
        warnings = sum(verdict.past(limits.warn) for verdict in verdicts)
        total, warned, failed = total + len(verdicts), warned + warnings, failed + failures
        furthest = f"{worst.distance:.2f} of {limits.warn:g}/{'–' if limits.fail is None else f'{limits.fail:g}'}"
        table.add_row(key[0], worst.measurement.name, str(len(verdicts)), str(warnings), str(failures),
                      f"{worst.day}: {furthest}", worst.measurement.said)  # fmt: skip
    Console(width=220).print(table)
    print(f"{total} verdicts, {warned} warned ({warned / max(total, 1):.2%}), {failed} failed")


if __name__ == "__main__":
    main()
