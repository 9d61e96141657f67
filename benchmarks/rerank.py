"""What each weight of the re-ranking costs in NDCG@10 and gives in diversity, novelty, coverage and calibration.

    make bench-rerank                   release 2017-11-30 and December's purchases (after `make demo`)

Reads the lake and the champion; writes the picture docs/reranking.svg. Weights are chosen on the window of the champion gate,
whose cut-off the champion of the date scores, and reported on what was bought after the release. Every weight is varied alone,
and diversity once more below the first ten places. Marked are the largest diversity weights that keep 99 % of NDCG in both lists
on the gate's window (`one_percent`, `one_percent_below`), and those of the settings (`chosen`). Earlier releases for the
repeats are made up, the worst case: the ranker's own lists on all of the days before. Ends with one line of JSON.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.shop_baselines import bought_after
from cartwheel.champion import champion_for
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import PROJECT_ROOT, get_settings
from serving_export.rerank import Facts, Weights, make_lists
from serving_export.rerank.effects import MEASURES, measures
from serving_export.rerank.facts import read_items, taste
from serving_export.rerank.repeats import repeats, shown_first
from training import data, gate, metrics, registry
from training.cutoffs import cutoffs_for
from training.metrics import Estimate, Truth

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PICTURE = PROJECT_ROOT / "docs/reranking.svg"
LISTS = ("for_you", "discover")
KEPT = 0.99  # of the NDCG, at the marked points
GRID = {
    "diversity": (0.02, 0.05, 0.1, 0.2, 0.5),
    "novelty": (0.05, 0.2),
    "calibration": (0.05, 0.2),
    "repeats": (0.1, 0.5),
}
BELOW = (0.05, 0.1, 0.2, 0.5)  # diversity weights with the first K places kept
K, DEEP = 10, 50
LABELLED_FROM = 0.1  # weights at the points of the picture: those below stand too close
console = Console(stderr=True, width=130)


@dataclass(frozen=True)
class Window:
    """Scores of a date, what re-ranking knows at it, and by list what was bought afterwards."""

    name: str
    scores: pl.DataFrame
    items: pl.DataFrame
    facts: Facts
    truths: dict[str, Truth]


@dataclass(frozen=True)
class Outcome:
    """One list under some weights. `kept` is the difference of NDCG@10 to the ranker's own order."""

    ndcg: Estimate
    kept: Estimate
    coverage: float
    diversity: float
    novelty: float
    divergence: float


Outcomes = dict[str, Outcome]  # by list
Curve = list[tuple[Weights, Outcomes]]


def gate_window(day: date) -> Window:
    """The champion of a date on the gate's cut-off, with what was bought in the window that ends with the date.

    Raises:
        SystemExit: the date has no champion.
    """
    version = champion_for(day)
    if version is None:
        raise SystemExit(f"there is no champion for {day}: run `make demo` first")
    cutoff = cutoffs_for(day).gate
    tables = data.load(cutoff, known_on=day)
    bought = data.window_events(cutoff, known_on=day).filter(pl.col("event_type") == "purchase")
    return _window(
        f"the 28 days after {cutoff}", cutoff, gate.scores(registry.load(str(version.version)), tables), tables, bought
    )


def release_window(day: date, purchases: Path | None) -> Window:
    """The scores of a release, with what was bought after it."""
    return _window(f"after {day}", day, data.read("scores", day), data.load(day), bought_after(day, purchases))


def _window(name: str, day: date, scores: pl.DataFrame, tables: dict[str, pl.DataFrame], bought: pl.DataFrame) -> Window:
    settings = get_settings()
    own, minimum = tables["user_item"].select("user_key", "item_id"), settings.min_item_purchases
    truths = {
        "for_you": metrics.truth(bought, tables["item"], minimum=minimum),
        "discover": metrics.truth(bought, tables["item"], own, minimum),
    }
    lists = make_lists(scores, tables["items"], K)
    shown = pl.concat([shown_first(lists, ago) for ago in range(1, settings.repeats_days + 1)])
    facts = replace(
        read_items(day, with_vectors=True),
        taste=taste(data.read("features/user_category", day)),
        repeats=repeats(shown, settings.repeats_days, tables["user_item"]),
    )
    return Window(name, scores, tables["items"], facts, truths)


def outcomes(window: Window, weights: Weights, own: pl.DataFrame, k: int = K) -> Outcomes:
    """Both lists under some weights; `own` are those in the ranker's order."""
    lists = make_lists(window.scores, window.items, k, weights, window.facts) if weights != Weights() else own
    found = {}
    for name in LISTS:
        ranked, before, truth = lists.filter(list=name), own.filter(list=name), window.truths[name]
        ndcg, other = (metrics.per_user(of, truth, k)["ndcg"].to_numpy() for of in (ranked, before))
        means = measures(ranked, window.facts, window.items, k).select(pl.col(MEASURES).mean()).row(0)
        found[name] = Outcome(metrics.interval(ndcg), metrics.interval(ndcg - other), metrics.coverage(ranked, truth, k), *means)
    return found


def curve(window: Window, own: pl.DataFrame) -> Curve:
    """The ranker's own order, and every weight of the grid alone."""
    alone = [Weights(**{name: value}) for name, values in GRID.items() for value in values]  # type: ignore[arg-type]
    return _measured(window, own, [Weights(), *alone], K)


def curve_below(window: Window, own: pl.DataFrame) -> Curve:
    """The diversity weights of `BELOW`, at work below the first K places of `DEEP`."""
    return _measured(window, own, [Weights(), *(Weights(diversity=value, kept_places=K) for value in BELOW)], DEEP)


def _measured(window: Window, own: pl.DataFrame, grid: list[Weights], k: int) -> Curve:
    found = []
    for weights in grid:
        found.append((weights, outcomes(window, weights, own, k)))
        console.print(f"{window.name}, first {k} places: {shown(weights)}")
    return found


def largest_that_keeps(found: Curve) -> Weights:
    """The largest diversity weight, no other being set, that keeps `KEPT` of the NDCG in every list."""
    (_, first), *_ = found
    keeps = [weights for weights, of in found if all(of[name].ndcg.value >= KEPT * first[name].ndcg.value for name in LISTS)]
    return max((weights for weights in keeps if _is_diversity(weights)), key=lambda weights: weights.diversity)


def _is_diversity(weights: Weights) -> bool:
    return not (weights.novelty or weights.calibration or weights.repeats)


def shown(weights: Weights) -> str:
    """The weights that are not zero."""
    return ", ".join(f"{name} {value:g}" for name, value in asdict(weights).items() if value) or "none"


def table(title: str, name: str, found: Curve) -> Table:
    """One list of a window."""
    made = Table("weights", "NDCG", "less that of none", *MEASURES, "coverage", title=f"{title}: {name}")
    for weights, of in found:
        one = of[name]
        ndcg, kept = (
            f"{e.value:{sign}.4f} ({e.low:{sign}.4f} to {e.high:{sign}.4f})" for e, sign in ((one.ndcg, ""), (one.kept, "+"))
        )
        made.add_row(
            shown(weights), ndcg, kept, *(f"{value:.4f}" for value in (one.diversity, one.novelty, one.divergence, one.coverage))
        )
    return made


def draw(curves: dict[str, Curve]) -> None:
    """NDCG@10 against diversity, along the diversity weight: one picture a list."""
    figure, axes = plt.subplots(1, len(LISTS), figsize=(11, 4.2), layout="constrained")
    for axis, name in zip(axes, LISTS, strict=True):
        for (title, found), colour in zip(curves.items(), ("#9a6700", "#0550ae"), strict=True):
            along = [(weights, of[name]) for weights, of in found if _is_diversity(weights)]
            start = along[0][1].ndcg.value
            x = [one.diversity for _, one in along]
            middle, low, high = (
                100 * np.array([getattr(one.kept, end) for _, one in along]) / start for end in ("value", "low", "high")
            )
            axis.plot(x, middle, "o-", color=colour, label=title, markersize=4)
            axis.fill_between(x, low, high, color=colour, alpha=0.15)
            for place, (weights, _) in enumerate(along):
                if weights.diversity < LABELLED_FROM:
                    continue
                axis.annotate(
                    f"{weights.diversity:g}", (x[place], middle[place]), xytext=(4, 4), textcoords="offset points", fontsize=8
                )
        axis.margins(x=0.09)
        axis.axhline(-1, color="grey", linewidth=1, linestyle="--")
        axis.set(title=name, xlabel="diversity of the first ten places", ylabel="change of NDCG@10, %")
        axis.legend(frameon=False)
    matplotlib.rcParams["svg.hashsalt"] = "cartwheel"
    figure.savefig(PICTURE, metadata={"Date": None})


def plain(prefix: str, of: Outcomes) -> dict[str, float]:
    """Names and numbers of both lists."""
    return {
        f"{prefix}_{name}_{figure}": value
        for name, one in of.items()
        for figure, value in {
            "ndcg": one.ndcg.value, "ndcg_low": one.ndcg.low, "ndcg_high": one.ndcg.high, "ndcg_change": one.kept.value,
            "coverage": one.coverage, "diversity": one.diversity, "novelty": one.novelty, "divergence": one.divergence,
        }.items()
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release-date", type=parse_partition_key, default=parse_partition_key("2017-11-30"))
    parser.add_argument("--purchases", type=Path, help="Parquet file of the purchases after the release, instead of the lake's")
    arguments = parser.parse_args()
    chosen, day = Weights.of(get_settings()), arguments.release_date
    figures: dict[str, float | str] = {"release_date": str(day)}
    windows = {"gate": gate_window(day), "release": release_window(day, arguments.purchases)}
    own = {key: make_lists(window.scores, window.items, DEEP) for key, window in windows.items()}
    curves = {key: curve(window, own[key]) for key, window in windows.items()}
    below = {key: curve_below(window, own[key]) for key, window in windows.items()}
    marked = {
        "none": Weights(),
        "one_percent": largest_that_keeps(curves["gate"]),
        "one_percent_below": largest_that_keeps(below["gate"]),
        "chosen": chosen,
    }
    for key, window in windows.items():
        for name in LISTS:
            console.print(table(f"First {K} places, {window.name}", name, curves[key]))
            console.print(table(f"First {DEEP} places, {window.name}", name, below[key]))
        for label, weights in marked.items():
            figures[label] = shown(weights)
            for k, known in ((K, curves[key]), (DEEP, below[key])):
                of = dict(known).get(weights) or outcomes(window, weights, own[key], k)
                figures |= plain(f"{key}_{label}_at_{k}", of)
    draw({window.name: curves[key] for key, window in windows.items()})
    print(json.dumps({name: round(value, 6) if isinstance(value, float) else value for name, value in figures.items()}))


if __name__ == "__main__":
    main()
