"""Training time and quality of the ranker's encoder beside RecTools' SASRec, on the same data with the same dimensions.

    make bench-train DATA=FILE
    python -m benchmarks.train_speed FILE --peer .venv-rectools/bin/python

Both train for as many epochs on the training part of `leave_one_out`, with as many threads, each with the learning rate and the
items a step of its own defaults: ours takes smaller steps, and more of them. A time is the mean seconds of an epoch, ours with
all that precedes the first one, the peer's of its batches alone; runs take turns, and the figure is the median. NDCG@10
is of the same users and catalogue, the mean over the runs, each with a seed of its own; the difference has a 95 % interval.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.leave_one_out import K, Places, Split, evaluate, evaluate_rows, read_split
from benchmarks.ranker import timed_fit
from cartwheel.threads import THREADS
from training.metrics import interval, resample_weights

RUNS, EPOCHS = 3, 5
LONG, SHORT, LONG_FROM = 200, 50, 50  # items of a history; the longer where users have more than 50 on average
SETTINGS = {"width": 64, "blocks": 2, "heads": 2, "dropout": 0.2, "learning_rate": 1e-3, "batch": 128}
OUR_NAMES = {"width": "width", "layers": "blocks", "heads": "heads", "dropout": "dropout", "length": "length", "epochs": "epochs"}
OURS, PEER = "Cartwheel", "RecTools SASRec"
console = Console(stderr=True, width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", required=True, help="the Python of an environment with `rectools`")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    split = read_split(arguments.data)
    length = LONG if np.mean([len(own) for own in split.train]) > LONG_FROM else SHORT
    settings = SETTINGS | {"length": length, "epochs": arguments.epochs, "threads": THREADS}
    console.print(f"{len(split.users):,} users, {len(split.items):,} items; {settings}")
    seconds: dict[str, list[float]] = {OURS: [], PEER: []}
    ndcg: dict[str, list[np.ndarray]] = {OURS: [], PEER: []}
    for run in range(arguments.runs):
        for name in (OURS, PEER) if run % 2 == 0 else (PEER, OURS):
            places, taken = ours(split, run, settings) if name == OURS else peer(split, run, settings, arguments.peer)
            seconds[name].append(taken)
            ndcg[name].append(places.ndcg)
            console.print(f"run {run + 1}/{arguments.runs}, {name}: {taken:.2f} s an epoch, NDCG@10 {places.ndcg.mean():.4f}")
    report(seconds, ndcg, settings)


def ours(split: Split, seed: int, settings: dict) -> tuple[Places, float]:
    """Trains once; the places of the test items, and the seconds of an epoch."""
    shape = {ours: settings[theirs] for ours, theirs in OUR_NAMES.items()}
    scorer, seconds = timed_fit(split, seed, shape)
    return evaluate(split, scorer), seconds / settings["epochs"]


def peer(split: Split, seed: int, settings: dict, python: str) -> tuple[Places, float]:
    """The same of the peer, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        data, lists = f"{folder}/split.npz", f"{folder}/lists.npy"
        np.savez(data, **flat("train", np.arange(len(split.users)), split.train),
                 **flat("history", split.measured, split.histories("test")))  # fmt: skip
        script = str(Path(__file__).parent / "peers/rectools_sasrec.py")
        command = [python, "-W", "ignore", script, data, lists, json.dumps(settings | {"seed": seed, "depth": K})]
        environment = os.environ | {"OMP_NUM_THREADS": str(settings["threads"])}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        best = np.load(lists)
    return evaluate_rows(split, lambda rows: scores_of(best[rows], len(split.items))), float(done.stdout.split()[-1])


def flat(part: str, users: np.ndarray, sequences: list[np.ndarray]) -> dict[str, Any]:
    """Sequences as one row an interaction."""
    lengths = [len(own) for own in sequences]
    return {f"{part}_users": np.repeat(users, lengths), f"{part}_items": np.concatenate(sequences)}


def scores_of(lists: np.ndarray, items: int) -> np.ndarray:
    """Scores [users, items] that stand for lists of the best items [users, depth]; -1 is no item, and one not listed is last."""
    scores = np.full((len(lists), items + 1), -np.inf)
    np.put_along_axis(scores, lists, -np.arange(lists.shape[1], dtype=float)[None, :], axis=1)
    return scores[:, :items]


def report(seconds: dict[str, list[float]], ndcg: dict[str, list[np.ndarray]], settings: dict) -> None:
    times = {name: statistics.median(taken) for name, taken in seconds.items()}
    mean = {name: np.mean(values, axis=0) for name, values in ndcg.items()}
    difference = interval(mean[OURS] - mean[PEER], resample_weights(len(mean[OURS])))
    table = Table("", "seconds an epoch", "NDCG@10", title=f"{settings['epochs']} epochs, {settings['threads']} threads")
    for name, taken in times.items():
        table.add_row(name, f"{taken:.2f}", f"{mean[name].mean():.4f}")
    console.print(table)
    figures = {
        "speedup_over_rectools": times[PEER] / times[OURS], "seconds_per_epoch_ours": times[OURS],
        "seconds_per_epoch_rectools": times[PEER], "ndcg_ours": mean[OURS].mean(), "ndcg_rectools": mean[PEER].mean(),
        "ndcg_difference": difference.value, "ndcg_difference_low": difference.low, "ndcg_difference_high": difference.high,
        "epochs": settings["epochs"], "threads": settings["threads"],
    }  # fmt: skip
    print(json.dumps({name: round(float(figure), 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
