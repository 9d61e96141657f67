"""What a day's features cost, against the length of the history behind it and the length of the window.

    make bench-features
    python -m benchmarks.features --repetitions 1 --scratch /tmp user_subcategory_features sequences

The demo's lake (`make demo` first) holds one year of The Complete Journey. Older years are made of it: its days again, 334
days earlier each time, with visits of their own. Every job that writes features/* builds the same date in one Spark session,
in turns: with the window of the settings on one, two and four years, then with windows of 91, 182 and 365 days on four.
Seconds are by the clock and by the processor, without the start of the session; a first round is not counted.
"""

import argparse
import importlib
import json
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Watch
from cartwheel.export import SNAPSHOTS
from cartwheel.settings import get_settings

DAY = date(2017, 11, 30)
YEAR = 365
YEARS = (1, 2, 4)
WINDOWS = (91, 182, 365)
console = Console(stderr=True)


@dataclass(frozen=True)
class Case:
    """Years of history in the lake, and the days of it that features are built from."""

    years: int
    window: int


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu_seconds: float
    purchases: int  # rows of the history


CASES = tuple(dict.fromkeys([*(Case(years, YEAR) for years in YEARS), *(Case(max(YEARS), window) for window in WINDOWS)]))


def write_history(source: Path, target: Path) -> None:
    """A partition for every day of the longest history; what lies before the shop's first day is made of its own days.

    Raises:
        SystemExit: the demo's lake is not there.
    """
    days = {folder.name.removeprefix("date="): folder for folder in source.glob("interactions/date=*")}
    if DAY.isoformat() not in days or not (source / f"items/date={DAY}/_SUCCESS").exists():
        raise SystemExit(f"There is no history to copy: {source} has no date={DAY}. Run `make demo` first.")
    first = min(map(date.fromisoformat, days))
    cycle = (DAY - first).days + 1
    for behind in range(YEAR * max(YEARS)):
        times, back = divmod(behind, cycle)
        tables = [pq.ParquetFile(file).read() for file in sorted(days[str(DAY - timedelta(days=back))].glob("*.parquet"))]
        folder = target / f"interactions/date={DAY - timedelta(days=behind)}"
        folder.mkdir(parents=True)
        pq.write_table(earlier(pa.concat_tables(tables), times, times * cycle), folder / "part-0.parquet", compression="zstd")
        (folder / "_SUCCESS").touch()


def earlier(events: pa.Table, times: int, days: int) -> pa.Table:
    """The events so many days earlier, in visits whose ids end in the number of times; the events themselves for 0."""
    if not times:
        return events
    moved = pc.subtract(events["event_ts"], pa.scalar(timedelta(days=days), pa.duration("us")))
    events = events.set_column(events.schema.get_field_index("event_ts"), "event_ts", moved)
    for name in ("event_id", "session_id"):
        ids = pc.binary_join_element_wise(events[name], f"-{times}", "")
        events = events.set_column(events.schema.get_field_index(name), name, ids)
    return events


def lakes(source: Path, scratch: Path) -> dict[int, Path]:
    """A lake for each number of years: the snapshots of the date, and links to the files of the longest history."""
    write_history(source, scratch / "history")
    for years in YEARS:
        first = DAY - timedelta(days=YEAR * years - 1)
        for folder in (scratch / "history/interactions").iterdir():
            if folder.name >= f"date={first}":
                link(folder, scratch / str(years) / "interactions" / folder.name)
        for name in SNAPSHOTS:
            shutil.copytree(source / name / f"date={DAY}", scratch / str(years) / name / f"date={DAY}")
    return {years: scratch / str(years) for years in YEARS}


def link(folder: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for file in folder.iterdir():
        (target / file.name).hardlink_to(file)


def measure(roots: dict[int, Path], names: list[str], repetitions: int) -> dict[Case, list[Cost]]:
    """Every case in turns; the first round warms up."""
    from spark_jobs.session import spark_session

    spark, watch, costs = spark_session("bench-features"), Watch(os.getpid()), defaultdict(list)
    try:
        for number in range(repetitions + 1):
            for case in CASES:
                cost = build(spark, watch, roots[case.years], case.window, names)
                console.print(f"round {number} of {repetitions}: {case} {cost}", highlight=False)
                if number:
                    costs[case].append(cost)
    finally:
        watch.ended.set()
        spark.stop()
    return costs


def build(spark, watch: Watch, root: Path, window: int, names: list[str]) -> Cost:
    """The features of the date, from a cold history."""
    from spark_jobs.lake import Lake

    spark.catalog.clearCache()
    lake = Lake(spark, root.as_uri(), get_settings().min_item_purchases, window)
    watch.take()
    started = time.monotonic()
    for name in names:
        job_named(name).run(lake, DAY)
    seconds, (cpu_seconds, _) = time.monotonic() - started, watch.take()
    return Cost(seconds, cpu_seconds, lake.history(DAY).count())


def job_named(name: str) -> Any:
    return importlib.import_module(f"spark_jobs.{name}").JOB


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("seconds", "cpu_seconds", "purchases")))


def show(costs: dict[Case, Cost]) -> None:
    table = Table(f"features of {DAY}", "days in the lake", "purchases in the window", "seconds", "of processor time")
    for case, cost in costs.items():
        row = (str(case.years * YEAR), f"{cost.purchases:,}", f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}")
        table.add_row(f"window of {case.window} days", *row)
    console.print(table)


def main() -> None:
    from spark_jobs.__main__ import JOBS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3, help="rounds that count (default: 3)")
    parser.add_argument("--scratch", type=Path, help="folder for the copies (default: a temporary one)")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="all that write features/* by default; others need their input")
    arguments = parser.parse_args()
    names = arguments.jobs or [name for name in JOBS if job_named(name).output.startswith("features/")]
    scratch = Path(tempfile.mkdtemp(prefix="cartwheel-features-", dir=arguments.scratch))
    try:
        console.print(f"making {max(YEARS)} years of history")
        roots = lakes(Path(urlparse(get_settings().lake_uri).path), scratch)
        costs = {case: median(each) for case, each in measure(roots, names, arguments.repetitions).items()}
    finally:
        shutil.rmtree(scratch)
    show(costs)
    one, of = costs[Case(1, YEAR)], max(YEARS)
    figures = {f"history_{years}x": costs[Case(years, YEAR)].seconds / one.seconds for years in YEARS[1:]}
    figures |= {f"history_{years}x_cpu": costs[Case(years, YEAR)].cpu_seconds / one.cpu_seconds for years in YEARS[1:]}
    figures |= {f"window_{window}_s": costs[Case(of, window)].seconds for window in WINDOWS}
    figures |= {f"window_{window}_cpu_s": costs[Case(of, window)].cpu_seconds for window in WINDOWS}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
