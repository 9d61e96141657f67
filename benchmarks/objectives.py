"""Clicks and purchases trained together against heads trained apart, where the answer is known (after `make demo`).

    python -m benchmarks.objectives --date 2017-11-30

Reads features and candidates of the date's cut-offs and the purchases of their windows from the lake, and the champion,
whose encoder makes the rows (its own scorer is not used). A shopfront is replayed (`cartwheel.demo.shopfront`) over lists
of the last two training cut-offs, which every user sees on `VISITS` days; scorers are trained on what it logged and judged on
one list a user of the gate's cut-off, which is later:

    joint              p(click) and p(purchase) = p(click) · p(purchase | click) on all impressions, as the ranker trains
    separate           a click model on all impressions, a purchase model on the clicked ones alone, multiplied
    purchases alone    one head for purchases on all impressions

All see the same rows and ranks. Rows of few clicks need more passes: the purchase model of `separate` gets, for each figure,
the number of passes that is best for it on the judged lists themselves, an advantage that the others do not have. Prints a
table and ends with one line of JSON. NDCG@10 and AUC say how well p(purchase) finds what the user does buy next among what was
shown; the log loss is that of p(purchase | click) against its true chance, over all impressions, clicked or not, and over
all by their true chance of a click.
"""

import argparse
import json
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from scipy.special import xlogy

from cartwheel.champion import champion_version
from cartwheel.contracts import parse_partition_key
from cartwheel.demo.shopfront import Shopfront, replay
from training import data, metrics, registry, scorer
from training.cutoffs import cutoffs_in_lake
from training.metrics import Estimate
from training.model import Ranker, Rows
from training.scorer import Examples

LIST_SIZE = 30
VISITS = 8  # of every user in the four weeks after a training cut-off
EXPLORATION = 0.3  # how far the shop's order strays from its score, so that places can be told from what stands there
EPOCHS = 6
EPOCHS_OF_CLICKED = (6, 24, 96)
OBJECTIVES = ["purchase", "click"]

Prediction = tuple[np.ndarray, np.ndarray | None]  # p(purchase) and p(purchase | click) [rows], the latter where a model has it


@dataclass(frozen=True)
class Shown:
    """Impressions of one cut-off: rows, labels [rows, (purchase, click)], ranks and the truth, in the order of the rows."""

    rows: Rows
    labels: np.ndarray
    ranks: np.ndarray
    truth: pl.DataFrame

    def examples(self) -> Examples:
        return Examples(self.rows.features, self.labels, self.ranks, np.ones(len(self.ranks), np.float32), self.rows.user)


def assemble(champion: Ranker, cutoff: date, known_on: date, users: int) -> tuple[Rows, pl.DataFrame]:
    """The rows of a cut-off's first `users`, in the order of their keys, and what they bought in its window."""
    tables = data.load(cutoff, known_on)
    some = tables["sequences"].select("user_key").head(users)
    few = {name: t.join(some, on="user_key", how="semi") if "user_key" in t.columns else t for name, t in tables.items()}
    bought = data.window_events(cutoff, known_on).filter(pl.col("event_type") == "purchase")
    return champion.assemble(few), bought.select("user_key", "item_id").unique()


def show(rows: Rows, fused: np.ndarray, bought: pl.DataFrame, day: date, seed: int, visits: int) -> Shown:
    """Replay the shopfront on as many days, each on lists in an order that is drawn from the `fused` score (Plackett–Luce).

    A row is an item that was shown to a user at all, with the best of its ranks, whether it was ever clicked, and bought.
    """
    replays, shown = [], np.zeros(len(fused), bool)
    for visit in range(visits):
        noise = EXPLORATION * np.random.default_rng((seed, visit)).gumbel(size=len(fused))
        placed = rows.pairs.select("user_key", "item_id", score=pl.Series(np.log(fused) + noise))
        placed = placed.with_columns(rank=pl.col("score").rank("ordinal", descending=True).over("user_key"))
        listed = placed["rank"].to_numpy() <= LIST_SIZE
        replays.append(replay(placed.filter(listed), bought, day + timedelta(days=visit), Shopfront(), 1000 * seed + visit))
        shown |= listed
    kept = np.flatnonzero(shown)
    rows = replace(rows, pairs=rows.pairs[kept], features=rows.features[kept], user=rows.user[kept], item=rows.item[kept])
    events = pl.concat([events for events, _ in replays]).rename({"user_id": "user_key"})
    truth = pl.concat([truth for _, truth in replays]).unique(["user_key", "item_id"])  # but for the rank, the same each time
    truth = rows.pairs.select("user_key", "item_id").join(truth, on=["user_key", "item_id"], maintain_order="left")
    return Shown(rows, scorer.labels(rows.pairs, events, OBJECTIVES), scorer.shown_ranks(rows.pairs, events), truth)


def trained(config: dict, objectives: list[str], examples: Examples, seed: int, epochs: int) -> Ranker:
    """A ranker with nothing but a scorer, on these rows."""
    ranker = Ranker()
    ranker.config = config | {"objectives": objectives}
    scorer.train_scorer(ranker, examples, seed, epochs)
    return ranker


def predictions(config: dict, training: Examples, judged: Shown, seed: int) -> dict[str, list[Prediction]]:
    """By model, what it says of the judged impressions; `separate` after each of `EPOCHS_OF_CLICKED`."""
    clicked = np.flatnonzero(training.labels[:, 1])
    purchased, unranked = training.labels[clicked, :1], np.zeros(len(clicked), np.int64)
    of_clicked = Examples(training.features[clicked], purchased, unranked, training.weights[clicked], training.lists[clicked])
    of_purchase, of_click = (replace(training, labels=training.labels[:, [column]]) for column in (0, 1))
    joint = trained(config, OBJECTIVES, training, seed, EPOCHS).probabilities(judged.rows)
    click = trained(config, ["click"], of_click, seed, EPOCHS).probabilities(judged.rows)[:, 0]
    given_click = [trained(config, ["purchase"], of_clicked, seed, n).probabilities(judged.rows)[:, 0] for n in EPOCHS_OF_CLICKED]
    alone = trained(config, ["purchase"], of_purchase, seed, EPOCHS).probabilities(judged.rows)[:, 0]
    return {
        "joint": [(joint[:, 0], joint[:, 0] / joint[:, 1])],
        "separate": [(click * chance, chance) for chance in given_click],
        "purchases alone": [(alone, None)],
    }


def log_loss(chance: np.ndarray, truth: pl.DataFrame) -> np.ndarray:
    """Of p(purchase | click) against its true chance [rows]."""
    true, chance = truth["purchase"].to_numpy(), np.clip(chance.astype(np.float64), 1e-6, 1 - 1e-6)
    return -xlogy(true, chance) - xlogy(1 - true, 1 - chance)


def per_user(judged: Shown, purchase: np.ndarray, given_click: np.ndarray | None) -> pl.DataFrame:
    """NDCG@10 and both log losses, a row per user who buys any of what was shown, in the order of keys."""
    wanted = judged.truth.filter("wanted").select("user_key", "item_id")
    items = judged.truth.select("item_id").unique().with_columns(purchases=pl.lit(1))
    ranked = judged.truth.select("user_key", "item_id", score=pl.Series(purchase)).with_columns(
        rank=pl.col("score").rank("ordinal", descending=True).over("user_key")
    )
    of = metrics.truth(wanted, items, minimum=1)
    figures = metrics.per_user(ranked, of).select("user_key", "ndcg")
    if given_click is None:
        return figures
    loss, click = pl.Series(log_loss(given_click, judged.truth)), pl.col("click")
    losses = judged.truth.with_columns(loss=loss).group_by("user_key")
    losses = losses.agg(log_loss=pl.col("loss").mean(), clicked_log_loss=(pl.col("loss") * click).sum() / click.sum())
    return figures.join(losses, on="user_key", how="left", maintain_order="left")


def measure(config: dict, training: Examples, judged: Shown, seed: int) -> dict[str, tuple[pl.DataFrame, float]]:
    """By model, the figures of every user and the AUC of p(purchase) over all impressions."""
    wanted, users = judged.truth["wanted"].to_numpy(), judged.rows.pairs["user_key"].rle_id().to_numpy().astype(np.int64)
    found = {}
    for name, each in predictions(config, training, judged, seed).items():
        figures = [per_user(judged, purchase, given_click) for purchase, given_click in each]
        found[name] = best_of(figures), max(metrics.auc(purchase, wanted, users, resamples=1).value for purchase, _ in each)
    return found


def best_of(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """The figures of every user (`per_user`), each from the frame whose mean of it is best."""
    figures = [name for name in frames[0].columns if name != "user_key"]
    columns = []
    for name in figures:
        each = [frame[name] for frame in frames]
        means = np.array([column.to_numpy().mean() for column in each])
        columns.append(each[means.argmax() if name == "ndcg" else means.argmin()])
    return frames[0].with_columns(columns)


def mean_over_seeds(runs: list[dict[str, tuple[pl.DataFrame, float]]]) -> dict[str, dict[str, np.ndarray]]:
    """By model and figure, the mean over the runs [users]; AUC is one number."""
    return {
        name: {
            figure: np.mean([run[name][0][figure].to_numpy() for run in runs], axis=0)
            for figure in runs[0][name][0].columns
            if figure != "user_key"
        }
        | {"auc": np.mean([[run[name][1]] for run in runs], axis=0)}
        for name in runs[0]
    }


def differences(figures: dict[str, dict[str, np.ndarray]], rival: str, figure: str) -> Estimate:
    """Joint less its rival, with the 95 % interval of a paired bootstrap over users."""
    values = figures["joint"][figure] - figures[rival][figure]
    return metrics.interval(values, metrics.resample_weights(len(values)))


def show_table(figures: dict[str, dict[str, np.ndarray]], training: Examples, judged: Shown, seeds: int) -> None:
    purchases, clicks = training.labels.sum(axis=0).astype(int)
    table = Table(
        title=f"Trained on {len(training.ranks):,} impressions with {clicks:,} clicks and {purchases:,} purchases, judged on "
        f"{len(judged.ranks):,} later ones; {seeds} seeds"
    )
    table.add_column("model")
    for measured in ("NDCG@10", "AUC", "log loss", "log loss by clicks"):
        table.add_column(measured, justify="right")
        if measured != "AUC":
            table.add_column("joint less it", justify="right")
    for name, own in figures.items():
        cells = [name]
        for figure in ("ndcg", "auc", "log_loss", "clicked_log_loss"):
            cells.append(f"{own[figure].mean():.4f}" if figure in own else "")
            if figure != "auc":
                compared = name != "joint" and figure in own
                gap = differences(figures, name, figure) if compared else None
                cells.append(f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})" if gap else "")
        table.add_row(*cells)
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key, help="a date with a champion")
    parser.add_argument("--users", type=int, default=2500, help="households, the first by key")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    champion, cutoffs = registry.load(champion_version(arguments.date)), cutoffs_in_lake(arguments.date)
    used = (*cutoffs.training[-2:], cutoffs.gate)
    parts = [(cutoff, *assemble(champion, cutoff, arguments.date, arguments.users)) for cutoff in used]
    fused, runs = champion.config["features"].index("fused"), []
    *earlier, judged = [
        [show(rows, rows.features[:, fused], bought, day + timedelta(days=1), seed, visits) for seed in range(arguments.seeds)]
        for (day, rows, bought), visits in zip(parts, (VISITS, VISITS, 1), strict=True)
    ]
    for seed, logged in enumerate(zip(*earlier, strict=True)):
        training = scorer.joined([shown.examples() for shown in logged])
        runs.append(measure(champion.config, training, judged[0], seed))
    figures = mean_over_seeds(runs)
    show_table(figures, training, judged[0], arguments.seeds)
    gap, loss = differences(figures, "separate", "ndcg"), differences(figures, "separate", "log_loss")
    print(
        json.dumps(
            {
                "joint_ndcg": round(float(figures["joint"]["ndcg"].mean()), 5),
                "separate_ndcg": round(float(figures["separate"]["ndcg"].mean()), 5),
                "difference_low": round(gap.low, 5),
                "difference_high": round(gap.high, 5),
                "joint_log_loss": round(float(figures["joint"]["log_loss"].mean()), 5),
                "separate_log_loss": round(float(figures["separate"]["log_loss"].mean()), 5),
                "log_loss_difference_high": round(loss.high, 5),
                "joint_log_loss_by_clicks": round(float(figures["joint"]["clicked_log_loss"].mean()), 5),
                "separate_log_loss_by_clicks": round(float(figures["separate"]["clicked_log_loss"].mean()), 5),
                "alone_ndcg": round(float(figures["purchases alone"]["ndcg"].mean()), 5),
                "users": len(figures["joint"]["ndcg"]),
                "seeds": arguments.seeds,
            }
        )
    )


if __name__ == "__main__":
    main()
