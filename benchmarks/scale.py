"""How time, shuffle bytes and memory of the Spark jobs grow with the shop: The Complete Journey ×1, ×4 and ×16.

    make bench-scale
    python -m benchmarks.scale --sizes 1,4 --scratch /tmp/scale item_cf candidates

The shop is the whole year 2017, from the package that the demo takes it from. A copy of it has users, items, sessions and
events of its own, with the same habits and the same words; at ×16 there are 23.5 million interactions. Every size runs in a
process of its own on two cores, all jobs for one date in one session. Memory is that of the whole process tree, the driver's
JVM and Python's workers, sampled; memory that processes share counts once. Growth is the ratio of the times over the ratio
of the rows. The time is that of the jobs: without the start of the session, which would flatter it. The smallest shop runs
three times: its median counts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Watch
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.local.config import ensure_config
from cartwheel.settings import PROJECT_ROOT, get_settings

DAY = date(2017, 12, 31)
CORES = 2
OF_EACH_COPY = ("user_key", "item_id", "session_id", "event_id")
console = Console(stderr=True)


@dataclass
class Cost:
    """What one job took at one size."""

    seconds: float
    shuffle_bytes: int
    rows: int
    cpu_seconds: float
    peak_bytes: int


def copy_of(table: pa.Table, number: int) -> pa.Table:
    """The shop itself for 0; else a copy whose ids end in its number."""
    for place, name in enumerate(table.schema.names):
        if number and name in OF_EACH_COPY:
            table = table.set_column(place, name, pc.binary_join_element_wise(table[name], f"-{number}", ""))
    return table


def write_shop(root: Path) -> None:
    """The shop itself as a lake: what the warehouse would export, of all dates up to the last."""
    from cartwheel.demo import shop

    key = pl.col("user_id").map_elements(lambda user: sha256(user.encode()).hexdigest(), pl.String).alias("user_key")
    events = shop.interactions().filter(pl.col("date") <= DAY, pl.col("quantity") > 0)  # as the contract asks
    users = events.select("user_id").unique().sort("user_id").with_columns(key)
    events = events.join(users, "user_id").with_columns(pl.col("event_ts").str.to_datetime("%+", time_unit="us", time_zone="UTC"))
    for (day,), rows in events.partition_by("date", as_dict=True).items():
        write(root, "interactions", day, [lake_table("interactions", rows)])
    snapshots = {
        "items": shop.items(),
        "users": users.join(shop.users(), "user_id", "left", maintain_order="left"),
        "item_context": shop.item_context().filter(pl.lit(DAY).is_between("starts_on", "ends_on")),
        "no_consent": users.clear(),
    }
    for dataset, rows in snapshots.items():
        write(root, dataset, DAY, [lake_table(dataset, rows)])


def lake_table(dataset: str, rows: pl.DataFrame) -> pa.Table:
    """Rows in the columns of the lake; those that the shop does not deliver are null."""
    schema = LAKE_SCHEMAS[dataset]
    missing = [pl.lit(None).alias(name) for name in schema.names if name not in rows.columns]
    return rows.with_columns(missing).select(schema.names).to_arrow().cast(schema)


def write(root: Path, dataset: str, day: date, tables: Iterable[pa.Table]) -> None:
    """One partition, a table at a time; `_SUCCESS` comes last."""
    folder = root / dataset / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(folder / "part-0.parquet", LAKE_SCHEMAS[dataset], compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
    (folder / "_SUCCESS").touch()


def copy_shop(source: Path, target: Path, copies: int) -> int:
    """A lake of so many copies, file by file; the number of interactions in it."""
    total = 0
    for folder in sorted(source.glob("*/date=*")):
        table, dataset = pq.ParquetFile(folder / "part-0.parquet").read(), folder.parent.name
        total += copies * table.num_rows if dataset == "interactions" else 0
        if not (target / folder.relative_to(source) / "_SUCCESS").exists():
            day = date.fromisoformat(folder.name.removeprefix("date="))
            write(target, dataset, day, (copy_of(table, number) for number in range(copies)))
    return total


def run_jobs(names: list[str]) -> None:
    """Inside the process of one size: run the jobs, and tell of each start and end in a line of JSON."""
    import importlib

    from spark_jobs.lake import Lake
    from spark_jobs.session import spark_session

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    spark = spark_session("scale")
    lake, shuffled = Lake.of_settings(spark), 0
    for name in names:
        print(json.dumps({"job": name}), flush=True)
        started = time.monotonic()
        rows = importlib.import_module(f"spark_jobs.{name}").JOB.run(lake, DAY)
        seconds = time.monotonic() - started
        written = shuffle_bytes(spark)
        print(json.dumps({"seconds": seconds, "shuffle_bytes": written - shuffled, "rows": rows}), flush=True)
        shuffled = written
    spark.stop()


def shuffle_bytes(spark) -> int:
    """What the stages of the session so far wrote for others to read."""
    context = spark.sparkContext
    no_quantiles = context._gateway.new_array(context._jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None)
    return sum(stages.apply(place).shuffleWriteBytes() for place in range(stages.size()))


def measure(lake: Path, names: list[str], driver_memory: str, tell: Callable[[str], None]) -> dict[str, Cost]:
    """One size: every job's cost, by name.

    Raises:
        SystemExit: a job failed; its messages stand above.
    """
    env = os.environ | {
        "CARTWHEEL_LAKE_URI": lake.as_uri(),
        "CARTWHEEL_SPARK_MASTER": f"local[{CORES}]",
        "CARTWHEEL_SPARK_DRIVER_MEMORY": driver_memory,
        "SPARK_LOCAL_DIRS": str(lake.parent / "spark"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "benchmarks.scale", "--inside", *names]
    process = subprocess.Popen(command, env=env, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
    costs: dict[str, Cost] = {}
    try:
        watch = Watch(process.pid)
        for told in messages(process):
            if "job" in told:
                name = told["job"]
                watch.take()
                tell(name)
            else:
                cpu_seconds, peak_bytes = watch.take()
                costs[name] = Cost(**told | {"cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes})
                tell(f"{name}: {described(costs[name])}")
    finally:
        watch.ended.set()
        process.terminate()
        code = process.wait()
    if code or list(costs) != names:
        raise SystemExit(f"The jobs on {lake} ended with code {code} after {', '.join(costs) or 'none of them'}.")
    return costs


def messages(process: subprocess.Popen) -> Iterator[dict]:
    """The lines of JSON that the process prints; its other lines, the jobs' log, are left out."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)
    process.wait()


def median(runs: list[dict[str, Cost]]) -> dict[str, Cost]:
    """Of each job's costs, the one in the middle by time; the largest peak."""
    middle = {name: sorted((run[name] for run in runs), key=lambda cost: cost.seconds)[len(runs) // 2] for name in runs[0]}
    return {name: replace(cost, peak_bytes=max(run[name].peak_bytes for run in runs)) for name, cost in middle.items()}


def growth(costs: dict[int, dict[str, Cost]], names: list[str], what: str = "seconds") -> float:
    """Of these jobs: the ratio of the times, largest size to smallest, over the ratio of the rows."""
    small, large = (sum(getattr(costs[size][name], what) for name in names) for size in (min(costs), max(costs)))
    return large / small / (max(costs) / min(costs))


def described(cost: Cost) -> str:
    memory = f", {cost.peak_bytes / 2**30:.1f} GiB" if cost.peak_bytes else ""
    return f"{cost.seconds:.1f} s (cpu {cost.cpu_seconds:.1f}), {cost.shuffle_bytes / 1e6:.0f} MB, {cost.rows:,} rows{memory}"


def total(costs: dict[str, Cost]) -> Cost:
    """All jobs together; the largest peak."""
    columns = ("seconds", "shuffle_bytes", "rows", "cpu_seconds")
    sums = {column: sum(getattr(cost, column) for cost in costs.values()) for column in columns}
    return Cost(**sums, peak_bytes=max(cost.peak_bytes for cost in costs.values()))


def show(costs: dict[int, dict[str, Cost]], interactions: dict[int, int]) -> None:
    names = list(costs[min(costs)])
    table = Table("job", title=f"{DAY}, {CORES} cores: time, shuffled, written, peak of memory", show_lines=True)
    for size in costs:
        table.add_column(f"×{size}: {interactions[size]:,} interactions")
    table.add_column("growth", justify="right")
    for name in names:
        table.add_row(name, *(described(costs[size][name]) for size in costs), f"{growth(costs, [name]):.2f}")
    table.add_row("all", *(described(total(costs[size])) for size in costs), f"{growth(costs, names):.2f}")
    console.print(table)


def main() -> None:
    from spark_jobs.__main__ import JOBS

    ensure_config()  # the settings, which the jobs read; no service runs
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,4,16", help="numbers of copies, with commas (default: 1,4,16)")
    parser.add_argument("--repetitions", type=int, default=3, help="runs of the smallest size (default: 3)")
    parser.add_argument("--driver-memory", default=get_settings().spark_driver_memory, help="of Spark's JVM, at every size")
    parser.add_argument("--scratch", type=Path, help="folder to keep the copies in (default: a temporary one)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="all by default; others need a kept lake that has their input")
    arguments = parser.parse_args()
    names = [name for name in JOBS if name in arguments.jobs or not arguments.jobs]
    if arguments.inside:
        return run_jobs(names)
    sizes = sorted({int(size) for size in arguments.sizes.split(",")})
    scratch = arguments.scratch or Path(tempfile.mkdtemp(prefix="cartwheel-scale-"))
    costs, interactions = {}, {}
    try:
        if not (scratch / "shop/no_consent").exists():  # the last of its datasets
            console.print("taking the shop from its package")
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # whose gigabyte of tables ends with it
                pool.submit(write_shop, scratch / "shop").result()
        for size in sizes:
            console.print(f"×{size}: copying the shop")
            interactions[size] = copy_shop(scratch / "shop", scratch / f"x{size}", size)
            repetitions = arguments.repetitions if size == min(sizes) else 1
            tell = lambda text, size=size: console.print(f"×{size} {time.strftime('%H:%M:%S')} {text}", highlight=False)  # noqa: E731
            runs = [measure(scratch / f"x{size}", names, arguments.driver_memory, tell) for _ in range(repetitions)]
            costs[size] = median(runs)
    finally:
        if not arguments.scratch:
            shutil.rmtree(scratch)
    show(costs, interactions)
    at, worst = f"{max(sizes)}x", max(names, key=lambda name: growth(costs, [name]))
    whole = total(costs[max(sizes)])
    figures = {
        f"growth_{at}": growth(costs, names),
        f"growth_{at}_cpu": growth(costs, names, "cpu_seconds"),
        f"growth_{at}_worst": growth(costs, [worst]),
        f"peak_gib_{at}": whole.peak_bytes / 2**30,
        f"minutes_{at}": whole.seconds / 60,
        f"shuffle_gb_{at}": whole.shuffle_bytes / 1e9,
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()} | {f"growth_{at}_worst_job": worst}))


if __name__ == "__main__":
    main()
