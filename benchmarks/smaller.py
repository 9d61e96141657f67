"""Smaller rankers beside the full one: size on disk, scoring speed and NDCG@10 (after `make demo`).

    python -m benchmarks.smaller --date 2017-11-30

Reads the lake's tables of the date's cut-offs and the events of their windows. Trains the full ranker on the training cut-
offs as `training.train` does, makes every variant of it (`training.smaller`), saves each and loads it again, and measures on
the gate's cut-off, which none has seen. Prints a table and ends with one line of JSON. Rows are per second of processor time,
on one thread, in `Ranker.probabilities`: from assembled features to probabilities. The network alone is compared too. Each
variant's lists are made with its own encoder's scores and candidates. The variants take turns, and each turn is compared with
the full ranker's of the same round.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from cartwheel.contracts import parse_partition_key
from training import baselines, data, metrics, smaller, train
from training.cutoffs import cutoffs_in_lake
from training.metrics import Estimate, Truth
from training.model import Ranker, Rows
from training.scorer import Examples

ROUNDS = 7
TIMED_ROWS = 65_536


@dataclass(frozen=True)
class Measured:
    """Figures of a variant; differences are it less the full ranker, with 95 % intervals over users."""

    megabytes: float
    rows_per_second: float  # median over the rounds
    speed: float  # times the full ranker's, median over the rounds
    network_speed: float  # the same, of the network alone
    ndcg_all: float
    ndcg_new: float
    difference_all: Estimate
    difference_new: Estimate


def stored(variants: dict[str, Ranker]) -> dict[str, tuple[Ranker, float]]:
    """Each ranker as it is loaded again after it was saved, and the megabytes of its files."""
    loaded = {}
    for name, ranker in variants.items():
        with tempfile.TemporaryDirectory() as folder:
            ranker.save(Path(folder))
            loaded[name] = Ranker().load(Path(folder)), sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    return loaded


@torch.no_grad()
def rates(rankers: dict[str, Ranker], rows: Rows) -> dict[str, np.ndarray]:
    """Rows per second of processor time [rounds, 2] on one thread: of `probabilities`, and of the network in it alone."""
    torch.set_num_threads(1)
    few = replace(rows, features=rows.features[:TIMED_ROWS], user=rows.user[:TIMED_ROWS], item=rows.item[:TIMED_ROWS])
    inputs = rankers["full"].scorer.transform(torch.from_numpy(few.features))
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in rankers}
    for _ in range(ROUNDS):
        for name, ranker in rankers.items():
            started = time.process_time()
            ranker.probabilities(few)
            between = time.process_time()
            ranker.scorer(inputs)
            seconds[name].append((between - started, time.process_time() - between))
    return {name: len(few.features) / np.array(rounds) for name, rounds in seconds.items()}


def ndcg(ranker: Ranker, judged: dict[str, pl.DataFrame], views: dict[str, Truth]) -> dict[str, np.ndarray]:
    """NDCG@10 of every user of a later cut-off (its tables) by view, `all` items and those `new` to the user."""
    rows = ranker.assemble(judged)
    chance = ranker.probabilities(rows)[:, ranker.config["objectives"].index("purchase")]
    scored = rows.pairs.select("user_key", "item_id", "bought", score=pl.Series(chance))
    lists = {"all": baselines.ranked(scored), "new": baselines.ranked(scored.filter(~pl.col("bought")))}
    return {view: metrics.per_user(lists[view], of)["ndcg"].to_numpy() for view, of in views.items()}


def measure(full: Ranker, examples: Examples, judged: dict[str, pl.DataFrame], views: dict[str, Truth]) -> dict[str, Measured]:
    """Make every variant and measure it on the tables of a later cut-off."""
    loaded = stored({name: smaller.make(full, name, examples, full.config["seed"]) for name in smaller.VARIANTS})
    rankers = {name: ranker for name, (ranker, _) in loaded.items()}
    quality = {name: ndcg(ranker, judged, views) for name, ranker in rankers.items()}
    speeds = rates(rankers, full.assemble(judged))
    figures = {}
    for name, (_, megabytes) in loaded.items():
        own, theirs = quality[name], quality["full"]
        gaps = [metrics.interval(own[view] - theirs[view], metrics.resample_weights(len(own[view]))) for view in ("all", "new")]
        speed, network_speed = np.median(speeds[name] / speeds["full"], axis=0).tolist()
        means = float(own["all"].mean()), float(own["new"].mean())
        figures[name] = Measured(megabytes, float(np.median(speeds[name][:, 0])), speed, network_speed, *means, *gaps)
    return figures


def show(figures: dict[str, Measured], title: str) -> None:
    """Print the table and the line of JSON."""
    table = Table(
        "variant", "MB", "rows/s", "× full", "network", "NDCG@10 all", "less full", "NDCG@10 new", "less full", title=title
    )
    for name, found in figures.items():
        gaps = [
            "" if name == "full" else f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
            for gap in (found.difference_all, found.difference_new)
        ]
        speed = f"{found.rows_per_second:,.0f}", f"{found.speed:.2f}", f"{found.network_speed:.2f}"
        table.add_row(name, f"{found.megabytes:.2f}", *speed, f"{found.ndcg_all:.4f}", gaps[0], f"{found.ndcg_new:.4f}", gaps[1])
    Console(width=150).print(table)
    print(json.dumps({name: asdict(found) for name, found in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key, help="partition date with its cut-offs in the lake")
    day = parser.parse_args().date
    torch.set_num_threads(1)
    cutoffs = cutoffs_in_lake(day)
    tables = {cutoff: data.load(cutoff, known_on=day) for cutoff in cutoffs.training}
    events = {cutoff: data.window_events(cutoff, known_on=day) for cutoff in cutoffs.training}
    full, _ = train.fit(tables, events)
    examples = train.examples_of(full, tables, events)
    judged = data.load(cutoffs.gate, known_on=day)
    purchases = data.window_events(cutoffs.gate, known_on=day).filter(pl.col("event_type") == "purchase")
    known, minimum = judged["user_item"].select("user_key", "item_id"), full.config["min_item_purchases"]
    views = {
        "all": metrics.truth(purchases, judged["item"], minimum=minimum),
        "new": metrics.truth(purchases, judged["item"], known, minimum),
    }
    users = len(views["all"].users)
    title = f"Trained for {day}, measured on {cutoffs.gate}: {len(judged['candidates']):,} candidates, {users:,} users"
    show(measure(full, examples, judged, views), title)


if __name__ == "__main__":
    main()
