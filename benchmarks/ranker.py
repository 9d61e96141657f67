"""The ranker's encoder on a public file of interactions: each user's last item against the whole catalogue.

    make bench-ranker DATA=FILE              three seeds: each, their mean and spread
    make bench-ranker DATA=FILE SEEDS=1      one
    python -m benchmarks.ranker FILE --seeds 1 2 3

The protocol is that of `leave_one_out`. Settings follow from the data's size alone (`training.next_item.settings_for`), and the
weights at the end of the training are what is measured, so that nothing is chosen on the test. Beside the quality stand the
training's examples (targets) a second, the share of its time that it waited for data, and the share of the device's matrix rate
that it used (`matrix_rate`; its operations are counted in an epoch ahead of all seeds). Ends with one line of JSON, in which
these three are lists, a value a seed.
"""

import argparse
import functools
import json
import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.leave_one_out import K, Scorer, Split, evaluate, read_split
from benchmarks.matrix_rate import operations, rate
from training import device, next_item
from training.loop import History

MEASURES = (f"hr_at_{K}", f"ndcg_at_{K}", "mrr")
PACE = ("examples_per_second", "data_share", "matrix_share")
console = Console(stderr=True, width=130)


def fit(split: Split, seed: int) -> Scorer:
    """Train the encoder on the training part; what it returns ranks histories."""
    return trained(split, seed, next_item.settings_for(split.train, len(split.items)))[0]


def trained(split: Split, seed: int, settings: next_item.Settings) -> tuple[Scorer, History]:
    """The same with settings of one's own, and how the training went."""
    encoder, history = next_item.fit(split.train, len(split.items), settings, seed)
    return functools.partial(next_item.next_items, encoder), history


def timed_fit(split: Split, seed: int, shape: dict[str, int | float]) -> tuple[Scorer, float]:
    """A scorer of a given shape, and the seconds of its whole training, the spectral start included."""
    settings = replace(next_item.settings_for(split.train, len(split.items)), **shape)
    started = time.monotonic()
    scorer, _ = trained(split, seed, settings)
    return scorer, time.monotonic() - started


def operations_of_an_example(split: Split, settings: next_item.Settings) -> float:
    """The matrix operations that training on one target takes, forward and backward, the mean over an epoch."""
    histories: list[History] = []
    done = operations(lambda: histories.append(trained(split, 0, replace(settings, epochs=1))[1]))
    return done / histories[0].examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True, warn_only=True)
    split = read_split(arguments.data)
    settings = next_item.settings_for(split.train, len(split.items))
    title = f"{arguments.data.name}: {len(split.measured):,} users, {len(split.items):,} items, leave one out, whole catalogue"
    console.print(title, asdict(settings))
    table = Table("seed", *(f"{part} {name}" for part in ("validation", "test") for name in ("HR@10", "NDCG@10")), "seconds",
                  "examples/s", "data share", "matrix share", title=title)  # fmt: skip
    found: list[dict[str, float]] = []
    where, of_an_example = device.chosen(), operations_of_an_example(split, settings)
    for seed in arguments.seeds:
        started = time.monotonic()
        scorer, history = trained(split, seed, settings)
        seconds = time.monotonic() - started
        validation, test = evaluate(split, scorer, "validation").means(), evaluate(split, scorer).means()
        pace = {"examples_per_second": history.examples_per_second, "data_share": history.data_share,
                "matrix_share": of_an_example * history.examples_per_second / rate(where)}  # fmt: skip
        found.append({f"validation_{name}": each for name, each in validation.items()} | test | {"fit_seconds": seconds} | pace)
        shown = [f"{part[name]:.4f}" for part in (validation, test) for name in MEASURES[:2]]
        table.add_row(str(seed), *shown, *times(found[-1]))
        console.print(f"seed {seed}:", *shown)
    mean = {name: statistics.mean(run[name] for run in found) for name in found[0]}
    spread = {name: statistics.stdev(run[name] for run in found) if len(found) > 1 else 0.0 for name in found[0]}
    ends = [f"validation_{name}" for name in MEASURES[:2]] + list(MEASURES[:2])
    table.add_row("mean ± deviation", *(f"{mean[name]:.4f} ± {spread[name]:.4f}" for name in ends), *times(mean),
                  style="bold")  # fmt: skip
    console.print(table)
    figures = {f"{name}_deviation": spread[name] for name in MEASURES} | mean
    last = {name: figures.pop(name) for name in MEASURES[:2]}
    plain = {name: round(value, 6) for name, value in (figures | last).items() if name not in PACE}
    of_seeds = {name: [round(run[name], 6) for run in found] for name in PACE}
    print(json.dumps({"data": arguments.data.name, "seeds": arguments.seeds, **of_seeds, **plain}))


def times(run: dict[str, float]) -> tuple[str, ...]:
    """The table's cells on the training itself."""
    shares = f"{run['data_share']:.1%}", f"{run['matrix_share']:.0%}"
    return f"{run['fit_seconds']:.0f}", f"{run['examples_per_second']:,.0f}", *shares


if __name__ == "__main__":
    main()
