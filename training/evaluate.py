"""Measure a release against what its users bought afterwards, next to the simple rules.

    python -m training.evaluate --release-date 2017-11-30 --until 2017-12-31
    python -m training.evaluate --release-date 2017-11-30 --purchases purchases.parquet --all-own

Reads the lake's `release`, `scores`, features/* and candidates/als of the date, and the purchases after it: those of the
lake's `interactions`, or of a Parquet file (user_key, item_id, event_ts). Prints a table and ends with one line of JSON.
With `--all-own`, the date's champion also scores the own items that no source names, which takes some minutes.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from cartwheel import champion as champions
from cartwheel import lake
from cartwheel.contracts import parse_partition_key
from cartwheel.settings import get_settings
from training import baselines, data, gate, metrics, registry
from training.metrics import Estimate

K = 10
AUC_DAYS = 7
AUC_NEW_CANDIDATES = 100
MEASURES = {"ndcg": "ndcg_at_10", "recall": "recall_at_10", "hit_rate": "hit_rate_at_10", "novelty": "novelty_at_10"}
COVERAGE = "coverage_at_10"
OURS = "release"
LEAD = "lead"  # of the release over another list: its NDCG@10 less the other's, user by user


@dataclass(frozen=True)
class Evaluation:
    """Figures of a release: `all_items` and `new_items` hold, by list, an estimate per measure."""

    day: date
    until: date
    users: int
    all_items: dict[str, dict[str, Estimate]]
    new_items: dict[str, dict[str, Estimate]]
    auc: Estimate | None
    auc_all_own: Estimate | None = None

    def figures(self) -> dict[str, float | int | str | None]:
        """Plain names and numbers, the release's without a prefix; `_new` is for items new to the user."""
        plain: dict[str, float | int | str | None] = {
            "release_date": str(self.day),
            "until": str(self.until),
            "users": self.users,
        }
        for suffix, view in (("", self.all_items), ("_new", self.new_items)):
            for name, measures in view.items():
                prefix = "" if name == OURS else f"{name}_"
                for measure, estimate in measures.items():
                    plain[f"{prefix}{measure}{suffix}"] = round(estimate.value, 6)
                    if measure == LEAD or (name == OURS and measure != COVERAGE):
                        plain[f"{prefix}{measure}{suffix}_low"] = round(estimate.low, 6)
                        plain[f"{prefix}{measure}{suffix}_high"] = round(estimate.high, 6)
        plain["auc"] = None
        for name, area in (("auc", self.auc), ("auc_all_own", self.auc_all_own)):
            if area is not None:
                plain[name] = round(area.value, 6)
                plain[f"{name}_low"], plain[f"{name}_high"] = round(area.low, 6), round(area.high, 6)
        return plain


def evaluate(day: date, until: date, purchases: pl.DataFrame | None = None, all_own: bool = False) -> Evaluation:
    """Measure release `day` on the purchases after it up to `until`; `all_own` asks for the AUC over all own items, too.

    Args:
        purchases: user_key, item_id, event_ts; the lake's interactions unless given.

    Raises:
        cartwheel.lake.MissingPartitionError: the release or the features of its date are not in the lake.
        cartwheel.champion.NoChampionError: `all_own`, and no version of the ranker serves the date.
        ValueError: there are no purchases to measure by.
    """
    bought_after = purchases_after(day, until) if purchases is None else purchases
    start, end = _start(day + timedelta(days=1)), _start(until + timedelta(days=1))
    bought_after = bought_after.filter(pl.col("event_ts") >= start, pl.col("event_ts") < end)
    if bought_after.is_empty():
        raise ValueError(f"no purchases after {day} up to {until} to measure by")
    tables, als = data.load(day), data.read("candidates/als", day)
    release, minimum = data.read("release", day), get_settings().min_item_purchases
    own = tables["user_item"].select("user_key", "item_id")
    of_all = metrics.truth(bought_after, tables["item"], minimum=minimum)
    of_new = metrics.truth(bought_after, tables["item"], own, minimum)
    views = []
    for list_name, truth, rivals in (
        ("for_you", of_all, baselines.all_items(tables, als)),
        ("discover", of_new, baselines.new_items(tables, als)),
    ):
        lists = {OURS: release.filter(pl.col("list") == list_name)} | rivals
        views.append(measure(lists, truth))
    scores = data.read("scores", day) if lake.exists("scores", day) else None
    auc = None if scores is None else week_auc(day, scores, own, bought_after)
    auc_all_own = None
    if all_own:
        champion = registry.load(champions.champion_version(day))
        auc_all_own = week_auc(day, gate.scores(champion, with_all_own(tables)), own, bought_after)
    return Evaluation(day, until, len(of_all.users), views[0], views[1], auc, auc_all_own)


def measure(lists: dict[str, pl.DataFrame], truth: metrics.Truth) -> dict[str, dict[str, Estimate]]:
    """Every measure of ranked lists, the release among them, by the same resamples of users."""
    tables = {name: metrics.per_user(ranked, truth, K) for name, ranked in lists.items()}
    weights, found = metrics.resample_weights(len(truth.users)), {}
    for name, table in tables.items():
        figures = {}
        for column, measured in MEASURES.items():
            values = table[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            figures[measured] = metrics.interval(values, None if table[column].null_count() else weights)
        share = metrics.coverage(lists[name], truth, K)
        figures[COVERAGE] = Estimate(share, share, share)
        if name != OURS:
            figures[LEAD] = metrics.interval((tables[OURS]["ndcg"] - table["ndcg"]).to_numpy(), weights)
        found[name] = figures
    return found


def with_all_own(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The tables, with the own items that no source names among the candidates."""
    candidates = tables["candidates"]
    unnamed = tables["user_item"].select("user_key", "item_id").join(candidates, on=["user_key", "item_id"], how="anti")
    return tables | {"candidates": pl.concat([candidates, unnamed], how="diagonal").sort("user_key", "item_id")}


def week_auc(day: date, scores: pl.DataFrame, own: pl.DataFrame, bought_after: pl.DataFrame) -> Estimate:
    """AUC of scores for the purchases of the week after, over each user's own items with one and its first new candidates.

    Users without a purchase in that week count too.
    """
    scores = scores.select("user_key", "item_id", "score")
    new = baselines.ranked(scores.join(own, on=["user_key", "item_id"], how="anti"), AUC_NEW_CANDIDATES)
    rows = pl.concat([scores.join(own, on=["user_key", "item_id"], how="semi"), new.select("user_key", "item_id", "score")]).sort(
        "user_key", "item_id"
    )
    week = bought_after.filter(pl.col("event_ts") < _start(day + timedelta(days=AUC_DAYS + 1)))
    marked = week.select("user_key", "item_id").unique().with_columns(label=pl.lit(1))
    rows = rows.join(marked, on=["user_key", "item_id"], how="left", maintain_order="left")
    users = rows["user_key"].rle_id().cast(pl.Int64).to_numpy()
    return metrics.auc(rows["score"].to_numpy(), rows["label"].fill_null(0).to_numpy(), users)


def purchases_after(day: date, until: date) -> pl.DataFrame:
    """The lake's purchases after `day` up to `until`: user_key, item_id, event_ts."""
    return data.events_between(day, until).filter(pl.col("event_type") == "purchase").drop("event_type")


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the evaluation as tables."""
    for title, view in (("All products", evaluation.all_items), ("Products new to the household", evaluation.new_items)):
        table = Table(
            title=f"{title}: release {evaluation.day}, purchases to {evaluation.until}, {evaluation.users:,} households"
        )
        table.add_column("list")
        for name in [*MEASURES.values(), COVERAGE]:
            table.add_column(name.replace("_at_10", "@10").replace("_", " "), justify="right")
        table.add_column("the release's ndcg@10 less it", justify="right")
        for name, figures in view.items():
            cells = [_cell(figures[measure]) for measure in MEASURES.values()]
            lead = _cell(figures[LEAD], "+") if LEAD in figures else ""
            style = "bold" if name == OURS else ""
            table.add_row(name.replace("_", " "), *cells, f"{figures[COVERAGE].value:.3f}", lead, style=style)
        console.print(table)
    for area, over in ((evaluation.auc, "own items that a source names"), (evaluation.auc_all_own, "all own items")):
        if area is not None:
            console.print(f"AUC for purchases of the {AUC_DAYS} days after, {over} and {AUC_NEW_CANDIDATES} new: {_cell(area)}")


def _cell(estimate: Estimate, sign: str = "") -> str:
    digits = 2 if estimate.value > 1 else 4
    value, low, high = (f"{each:{sign}.{digits}f}" for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low}{' to ' if sign else '–'}{high})"


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release-date", required=True, type=parse_partition_key)
    parser.add_argument("--until", type=parse_partition_key, help="last day of purchases; the last there is by default")
    parser.add_argument("--purchases", type=Path, help="Parquet file of purchases, instead of the lake's")
    parser.add_argument("--all-own", action="store_true", help="also the AUC over all own items, scored by the date's champion")
    arguments = parser.parse_args()
    purchases = pl.read_parquet(arguments.purchases) if arguments.purchases else None
    last = purchases["event_ts"].max().date() if purchases is not None else lake.complete_dates("interactions")[-1]  # type: ignore[union-attr]
    evaluation = evaluate(arguments.release_date, arguments.until or last, purchases, arguments.all_own)
    show(evaluation, Console(width=170))
    print(json.dumps(evaluation.figures()))


if __name__ == "__main__":
    main()
