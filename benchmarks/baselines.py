"""The ranker's rivals in one table, in one harness: NDCG@10 with 95 % intervals and the paired difference to the first row.

    make bench-baselines                   the shop: release 2017-11-30 against December's purchases (after `make demo`)
    make bench-baselines DATA=FILE         a public file: each user's last item against the whole catalogue (`leave_one_out`)
    python -m benchmarks.baselines --data FILE --methods popularity ease

Every method is trained with one seed and shown as soon as it is measured. GRU4Rec and SASRec train until validation gets no
better, which takes a processor core an hour or more each for a million interactions. Ends with one line of JSON.
"""

import argparse
import json
import sys
from dataclasses import astuple
from datetime import date
from pathlib import Path

import numpy as np
import structlog
import torch
from rich.table import Table

from benchmarks import shop_baselines
from benchmarks.leave_one_out import evaluate, read_split
from benchmarks.rivals import METHODS, console, fitted
from cartwheel.contracts import parse_partition_key
from cartwheel.threads import spare_cores
from training.metrics import Estimate, interval, resample_weights

ENDS = ("", "_low", "_high")


def of_file(file: Path, names: list[str]) -> dict[str, float | int | str]:
    """Measure the methods on a file, print the table, and return its figures."""
    split = read_split(file)
    title = f"{file.name}: {len(split.measured):,} users, {len(split.items):,} items, leave one out, whole catalogue"
    found: dict[str, dict[str, float]] = {}
    ndcg: dict[str, np.ndarray] = {}
    for name, scorer, seconds in fitted(names, split):
        outcome = evaluate(split, scorer)
        found[name], ndcg[name] = outcome.means() | {"fit_seconds": seconds}, outcome.ndcg
        console.print(name, {measure: round(value, 4) for measure, value in found[name].items()})
    compared = compare(ndcg)
    table = Table("", "HR@10", "NDCG@10", "MRR", f"NDCG@10 less that of {names[0]}", "fit, seconds", title=title)
    for name, (estimate, difference) in compared.items():
        hits, _, mrr, seconds = found[name].values()
        table.add_row(name, f"{hits:.4f}", shown(estimate), f"{mrr:.4f}", shown(difference, "+"), f"{seconds:.1f}")
    console.print(table)
    figures: dict[str, float | int | str] = {"data": file.name, "users": len(split.measured), "items": len(split.items)}
    figures |= {f"{name}_{measure}": value for name, measures in found.items() for measure, value in measures.items()}
    return figures | plain(compared)


def of_shop(day: date, purchases: Path | None, names: list[str]) -> dict[str, float | int | str]:
    """Measure the release of `day` and its rivals on what was bought afterwards, print both tables, return their figures."""
    figures: dict[str, float | int | str] = {"release_date": str(day)}
    for view, ndcg in shop_baselines.measure(day, purchases, names).items():
        compared = compare(ndcg)
        first = next(iter(compared))
        title = f"{shop_baselines.VIEWS[view]}: release {day}, {len(ndcg[first]):,} households"
        table = Table("", "NDCG@10", f"NDCG@10 less that of {first}", title=title)
        for name, (estimate, difference) in compared.items():
            table.add_row(name.replace("_", " "), shown(estimate), shown(difference, "+"))
        console.print(table)
        figures |= plain(compared, "" if view == "all" else f"_{view}")
    return figures


def compare(ndcg: dict[str, np.ndarray]) -> dict[str, tuple[Estimate, Estimate]]:
    """For each method its mean over users, and that of its difference to the first method, by the same resamples."""
    first = next(iter(ndcg.values()))
    weights = resample_weights(len(first))
    return {name: (interval(own, weights), interval(own - first, weights)) for name, own in ndcg.items()}


def plain(compared: dict[str, tuple[Estimate, Estimate]], suffix: str = "") -> dict[str, float | int | str]:
    """Names and numbers: NDCG@10 with its interval, and that of the difference to the first method."""
    first = next(iter(compared))
    named = {f"{name}_ndcg_at_10{suffix}": estimate for name, (estimate, _) in compared.items()}
    named |= {f"{name}_less_{first}{suffix}": difference for name, (_, difference) in compared.items() if name != first}
    return {f"{name}{end}": value for name, found in named.items() for end, value in zip(ENDS, astuple(found), strict=True)}


def shown(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.4f} ({estimate.low:{sign}.4f} to {estimate.high:{sign}.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a public file of interactions, instead of the shop")
    parser.add_argument("--release-date", type=parse_partition_key, default=parse_partition_key("2017-11-30"))
    parser.add_argument("--purchases", type=Path, help="Parquet file of the purchases after the release, instead of the lake's")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD", help=", ".join(METHODS))
    arguments = parser.parse_args()
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # trainings take an hour: seen as they go
    torch.use_deterministic_algorithms(True, warn_only=True)
    spare_cores()
    if arguments.data:
        figures = of_file(arguments.data, arguments.methods)
    else:
        figures = of_shop(arguments.release_date, arguments.purchases, arguments.methods)
    print(json.dumps({name: round(value, 6) if isinstance(value, float) else value for name, value in figures.items()}))


if __name__ == "__main__":
    main()
