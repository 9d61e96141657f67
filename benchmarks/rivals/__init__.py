"""The methods that a table of baselines compares, each a module with `fit(split, seed)`, which returns a scorer."""

import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from rich.console import Console

from benchmarks.leave_one_out import Scorer, Split

SEED = 17
# The first row is what the others are compared with.
METHODS = {
    "ranker": "benchmarks.ranker",
    "popularity": "benchmarks.rivals.popularity",
    "item_knn": "benchmarks.rivals.item_knn",
    "als": "benchmarks.rivals.als",
    "ease": "benchmarks.rivals.ease",
    "gru": "benchmarks.rivals.gru",
    "sasrec": "benchmarks.rivals.sasrec",
}
console = Console(stderr=True, width=130)


def fitted(names: Iterable[str], split: Split) -> Iterator[tuple[str, Scorer, float]]:
    """Each method's scorer, with the seconds that fitting took."""
    for name in names:
        fit: Callable[[Split, int], Scorer] = import_module(METHODS[name]).fit
        started = time.monotonic()
        scorer = fit(split, SEED)
        yield name, scorer, time.monotonic() - started
