"""Recall of the candidates at 50, 200 and 500 a user, by source and of their union, with 95 % intervals over users.

    make bench-recall                   The Complete Journey, release date 2017-11-30, December's purchases (after `make demo`)
    make bench-recall DATA=FILE         a file with one user a line, `user item item …`: the last item is left out
    python -m benchmarks.recall --date 2017-11-02        the purchases of the 28 days after, from the lake

Every source is asked for 500 items a user. A user's recall is the share of what the user bought afterwards that is among the
first 50, 200 or 500; in "new" what the user had bought before is left out on both sides. Below the sources alone stand the
unions, to which one source after another is added, always the one that adds most to recall of new items at 200; they take the
sources' lists as long as the jobs make them, and order by the fused score. `union` is what the job `candidates` itself writes.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import recall_lake
from benchmarks.recall_lake import LACKING, Task
from cartwheel.contracts import parse_partition_key
from training.metrics import Estimate, Truth, interval, resample_weights, truth

KS = (50, 200, 500)
UNION = "union"
Figures = dict[int, np.ndarray]


@dataclass(frozen=True)
class Pool:
    """All pairs of users of the truth with items that a source names, in the order of user and item."""

    user: np.ndarray  # the user's place among the truth's users
    bought: np.ndarray  # is the pair in the truth?
    items: np.ndarray  # how many items each user's truth holds
    slopes: dict[str, np.ndarray]  # by source, what its weight is multiplied by in the fused score

    def recalls(self, sources: list[str]) -> Figures:
        """Each user's recall at every K of what these sources name, ranked by the fused score."""
        from spark_jobs.candidates import WEIGHTS

        score = np.sum([WEIGHTS[source] * self.slopes[source] for source in sources], axis=0)
        named = np.flatnonzero(score > 0)
        order = named[np.lexsort((-score[named], self.user[named]))]  # stable: equal scores stand in the order of the items
        user = self.user[order]
        rank = np.arange(len(user)) - np.searchsorted(user, user) + 1
        hits = {k: np.bincount(user, weights=self.bought[order] & (rank <= k), minlength=len(self.items)) for k in KS}
        return {k: hits[k] / self.items for k in KS}


def pool_of(lists: dict[str, pl.DataFrame], depths: dict[str, int], of: Truth) -> Pool:
    """The pool of sources' lists (user_key, item_id, rank), each as deep as its job makes it."""
    from spark_jobs.candidates import FIRST_RANKS, SILENT_RANK

    users = of.users.with_row_index("user")
    cut = {
        source: rows.filter(pl.col("rank") <= depths[source]).join(users.select("user_key", "user"), on="user_key")
        for source, rows in lists.items()
    }
    pairs = pl.concat([rows.select("user", "user_key", "item_id") for rows in cut.values()]).unique().sort("user", "item_id")
    bought = of.pairs.with_columns(bought=True)
    pairs = pairs.join(bought, on=["user_key", "item_id"], how="left", maintain_order="left").drop("user_key")
    slopes = {}
    for source, rows in cut.items():
        rank = pairs.join(rows, on=["user", "item_id"], how="left", maintain_order="left")["rank"].cast(pl.Float64).to_numpy()
        slopes[source] = np.nan_to_num(np.log((SILENT_RANK + FIRST_RANKS) / (rank + FIRST_RANKS)))
    return Pool(pairs["user"].to_numpy(), pairs["bought"].fill_null(False).to_numpy(), users["items"].to_numpy(), slopes)


def recalls(ranked: pl.DataFrame, of: Truth) -> Figures:
    """Each user's recall at every K, in the order of the truth's users."""
    hits = of.pairs.join(ranked, on=["user_key", "item_id"], how="left").group_by("user_key")
    table = hits.agg(pl.len(), *((pl.col("rank") <= k).sum().alias(str(k)) for k in KS)).sort("user_key")
    return {k: (table[str(k)] / table["len"]).to_numpy() for k in KS}


def new_only(ranked: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """The lists without the users' own items, ranked anew."""
    rest = ranked.join(own, on=["user_key", "item_id"], how="anti").sort("user_key", "rank")
    return rest.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_key"))


def measure(task: Task, depths: dict[str, int]) -> dict[str, dict[str, Figures]]:
    """For new items and for all: every row of the table, by name, with its recalls."""
    own = recall_lake.read(task, "features/user_item", ["user_key", "item_id"])
    item = recall_lake.read(task, "features/item", ["item_id", "purchases"])
    of_new = truth(task.bought_after, item, own, task.min_item_purchases)
    of_all = truth(task.bought_after, item, minimum=task.min_item_purchases)
    lists = {source: recall_lake.read(task, f"candidates/{source}", ["user_key", "item_id", "rank"]) for source in task.sources}
    pool = pool_of(lists, depths, of_all)
    new_pool = pool_of({source: new_only(rows, own) for source, rows in lists.items()}, depths, of_new)
    figures: dict[str, dict[str, Figures]] = {"new": {}, "all": {}}
    for source, rows in lists.items():
        figures["new"][source], figures["all"][source] = recalls(new_only(rows, own), of_new), recalls(rows, of_all)
    for chosen in greedy(new_pool):
        name = f"+ {chosen[-1]}"
        figures["new"][name], figures["all"][name] = new_pool.recalls(chosen), pool.recalls(chosen)
    union = pl.read_parquet(task.root / "union", columns=["user_key", "item_id", "fused_score"])
    union = union.sort("user_key", "fused_score", "item_id", descending=[False, True, False])
    union = union.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_key"))
    figures["new"][UNION], figures["all"][UNION] = recalls(new_only(union, own), of_new), recalls(union, of_all)
    return figures


def greedy(pool: Pool) -> list[list[str]]:
    """The sources chosen so far, one more at a time: the one with which recall at 200 is highest."""
    chosen: list[list[str]] = [[]]
    while len(chosen) <= len(pool.slopes):
        rest = [source for source in pool.slopes if source not in chosen[-1]]
        best = max(rest, key=lambda source: pool.recalls([*chosen[-1], source])[200].mean())
        chosen.append([*chosen[-1], best])
    return chosen[1:]


def show(task: Task, figures: dict[str, dict[str, Figures]]) -> None:
    users = {view: len(next(iter(rows.values()))[200]) for view, rows in figures.items()}
    table = Table(title=f"Recall after {task.day}: {users['new']:,} users for new items, {users['all']:,} for all")
    for column in ("source", *(f"{view} @{k}" for view in figures for k in KS)):
        table.add_column(column, justify="left" if column == "source" else "right")
    drawn = {view: resample_weights(count) for view, count in users.items()}
    for name in figures["new"]:
        cells = [_cell(interval(figures[view][name][k], drawn[view])) for view in figures for k in KS]
        table.add_row(name, *cells, style="bold" if name == UNION else "")
    for source in LACKING.keys() - set(task.sources):
        table.add_row(source, f"absent: needs {LACKING[source]}", style="dim")
    Console(width=170).print(table)


def _cell(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f}–{estimate.high:.4f})"


def summary(figures: dict[str, dict[str, Figures]], sources: tuple[str, ...]) -> dict[str, float | str]:
    """Plain names and numbers; the ratio's interval is that of a paired bootstrap over users."""
    new = figures["new"]
    best = max(sources, key=lambda source: new[source][200].mean())
    drawn = resample_weights(len(new[UNION][200]))
    low, high = np.quantile((drawn @ new[UNION][200]) / (drawn @ new[best][200]), [0.025, 0.975])
    plain: dict[str, float | str] = {
        "union_to_best_at_200_new": round(float(new[UNION][200].mean() / new[best][200].mean()), 4),
        "union_to_best_at_200_new_low": round(float(low), 4),
        "union_to_best_at_200_new_high": round(float(high), 4),
        "best_source": best,
    }
    for view, rows in figures.items():
        for name in (*sources, UNION):
            plain |= {f"{name}_recall_at_{k}_{view}": round(float(values.mean()), 6) for k, values in rows[name].items()}
    return plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", type=parse_partition_key, default=parse_partition_key("2017-11-30"))
    parser.add_argument("--purchases", type=Path, help="Parquet file of the purchases after the date, instead of the lake's")
    parser.add_argument("--data", type=Path, help="a file of sequences, instead of the demo's lake")
    parser.add_argument("--scratch", type=Path, help="keep the candidates in this folder, and use those that are there")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cartwheel-recall-") as folder:
        root = arguments.scratch or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        if arguments.data:
            task = recall_lake.file_task(root, arguments.data)
        else:
            task = recall_lake.demo_task(root, arguments.date, arguments.purchases)
        figures = measure(task, recall_lake.build(task))
    show(task, figures)
    print(json.dumps(summary(figures, task.sources) | {"seconds": round(time.monotonic() - started, 1)}))


if __name__ == "__main__":
    main()
