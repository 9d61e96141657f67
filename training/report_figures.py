"""What an evaluation report measures: a challenger, the champion it was judged against and the simple rules on one window.

Everything is computed from frames: the scores of both models at a cut-off (`gate.scores`), the tables known there, and what
was bought in the window after it. `training/report.py` gathers them, `training/report_page.py` shows the figures.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from training import baselines, calibration, metrics
from training.groups import Group, groups
from training.metrics import Estimate, Truth

K = 10
VIEWS = ("all", "new")  # all items; items new to the user
CHALLENGER, CHAMPION, RULE = "challenger", "champion", "buy_again_visits"
PER_USER = ("ndcg", "hit_rate", "recall", "precision", "f1", "mrr", "diversity", "novelty")
SEGMENT_RESAMPLES = 100  # of an AUC: there are many


@dataclass(frozen=True)
class Window:
    """What is known at the cut-off, and what was bought in the days after it."""

    tables: dict[str, pl.DataFrame]
    als: pl.DataFrame
    purchases: pl.DataFrame
    min_item_purchases: int

    @property
    def items(self) -> pl.DataFrame:
        return self.tables["items"]


@dataclass(frozen=True)
class View:
    """The lists of one view: per list and measure an estimate; `change` is challenger less champion, of the same users."""

    users: int
    lists: dict[str, dict[str, Estimate]]
    change: dict[str, Estimate]


@dataclass(frozen=True)
class Segment:
    """A group of users or items, on all items.

    A group of items is measured by ranking it alone: what is of another group is left out of lists and truth.
    """

    group: Group
    users: int
    pairs: int
    ndcg: dict[str, Estimate]
    measures: dict[str, Estimate]
    auc: dict[str, Estimate]
    calibration_error: float
    change: Estimate | None


@dataclass(frozen=True)
class Scores:
    """How a model's scores fit what was bought."""

    rows: int
    auc: Estimate
    calibration_error: float
    reliability: pl.DataFrame
    distribution: pl.DataFrame


@dataclass(frozen=True)
class Figures:
    """All figures; `kept` counts users by how many of the champion's K best the challenger shows too, from 0 to K."""

    views: dict[str, View]
    segments: list[Segment]
    scores: dict[str, Scores]
    auc_change: Estimate | None
    kept: np.ndarray | None


def measure(window: Window, scores: dict[str, pl.DataFrame]) -> Figures:
    """All figures; `scores` holds what `gate.scores` returns for `challenger` and, if there was one, for `champion`.

    Raises:
        ValueError: nothing of the catalogue was bought in the window.
    """
    truth = truths(window)["all"]
    if truth.pairs.is_empty():
        raise ValueError("nothing of the catalogue was bought in the window: there is nothing to measure by")
    marked = {name: labelled(frame, truth) for name, frame in scores.items()}
    return Figures(
        {view: measure_view(window, scores, view) for view in VIEWS},
        [measure_segment(window, scores, marked, group, truth) for group in groups(window.tables, truth)],
        {name: measure_scores(rows) for name, rows in marked.items()},
        metrics.auc_difference(auc_rows(marked[CHALLENGER]), auc_rows(marked[CHAMPION])) if CHAMPION in scores else None,
        kept(*(baselines.ranked(scores[name], K) for name in (CHALLENGER, CHAMPION))) if CHAMPION in scores else None,
    )


def truths(window: Window) -> dict[str, Truth]:
    """What was bought, by view."""
    bought, item = window.tables["user_item"].select("user_key", "item_id"), window.tables["item"]
    return {
        "all": metrics.truth(window.purchases, item, minimum=window.min_item_purchases),
        "new": metrics.truth(window.purchases, item, bought, window.min_item_purchases),
    }


def lists(window: Window, scores: dict[str, pl.DataFrame], view: str) -> dict[str, pl.DataFrame]:
    """The ranked lists of both models and of the rules: user_key, item_id, rank."""
    seen = scores if view == "all" else {name: frame.filter(~pl.col("bought")) for name, frame in scores.items()}
    rules = baselines.all_items if view == "all" else baselines.new_items
    return {name: baselines.ranked(frame) for name, frame in seen.items()} | rules(window.tables, window.als)


def measure_view(window: Window, scores: dict[str, pl.DataFrame], view: str) -> View:
    """Every measure of every list."""
    truth, ranked = truths(window)[view], lists(window, scores, view)
    users = {name: user_measures(top, truth, window.items) for name, top in ranked.items()}
    measured = {name: estimates(users[name]) | of_catalogue(top, truth) for name, top in ranked.items()}
    return View(len(truth.users), measured, difference(users))


def user_measures(ranked: pl.DataFrame, truth: Truth, items: pl.DataFrame) -> pl.DataFrame:
    """`PER_USER` of one list, a row per user of the truth, in order of key."""
    diverse = metrics.diversity(ranked, items, K)
    return metrics.per_user(ranked, truth, K).join(diverse, on="user_key", how="left", maintain_order="left")


def estimates(users: pl.DataFrame) -> dict[str, Estimate]:
    """The mean over users of each measure."""
    return {name: metrics.interval(_values(users, name)) for name in PER_USER}


def of_catalogue(ranked: pl.DataFrame, truth: Truth) -> dict[str, Estimate]:
    """The measures of all lists together, which have no interval."""
    found = {"coverage": metrics.coverage(ranked, truth, K), "concentration": metrics.concentration(ranked, truth, K)}
    return {name: Estimate(value, value, value) for name, value in found.items()}


def difference(users: dict[str, pl.DataFrame]) -> dict[str, Estimate]:
    """Challenger less champion, user by user, for each measure; empty without a champion."""
    if CHAMPION not in users:
        return {}
    own, other = users[CHALLENGER], users[CHAMPION]
    return {name: metrics.interval(_values(own, name) - _values(other, name)) for name in PER_USER}


def measure_segment(
    window: Window, scores: dict[str, pl.DataFrame], marked: dict[str, pl.DataFrame], group: Group, truth: Truth
) -> Segment:
    """The figures of one group; `marked` holds the scores as `labelled` returns them."""
    part = Truth(_only(truth.pairs, group), _only(truth.catalogue, group))
    ranked = {name: baselines.ranked(_only(frame, group)) for name, frame in scores.items()}
    ranked[RULE] = baselines.buy_again(_only(window.tables["user_item"], group), "decayed_visits")
    users = {name: user_measures(top, part, window.items) for name, top in ranked.items()}
    rows = {name: _only(frame, group) for name, frame in marked.items()}
    return Segment(
        group=group,
        users=len(part.users),
        pairs=len(part.pairs),
        ndcg={name: metrics.interval(_values(table, "ndcg")) for name, table in users.items()},
        measures=estimates(users[CHALLENGER]) | of_catalogue(ranked[CHALLENGER], part),
        auc={name: metrics.auc(*auc_rows(frame), SEGMENT_RESAMPLES) for name, frame in rows.items()},
        calibration_error=calibration.expected_error(calibration.reliability(rows[CHALLENGER])),
        change=difference(users).get("ndcg"),
    )


def labelled(scores: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Scores with label (1 if bought in the window) and the number of the user, the same for every model's scores."""
    users = scores.select(pl.col("user_key").unique().sort()).with_row_index("user")
    hits = truth.pairs.with_columns(label=pl.lit(1, pl.Int64))
    return (
        scores.join(hits, on=["user_key", "item_id"], how="left")
        .join(users, on="user_key")
        .select("user_key", "item_id", "score", pl.col("label").fill_null(0), pl.col("user").cast(pl.Int64))
        .sort("user_key", "item_id")
    )


def auc_rows(marked: pl.DataFrame) -> metrics.AucRows:
    """The arguments of `metrics.auc`."""
    return marked["score"].to_numpy(), marked["label"].to_numpy(), marked["user"].to_numpy()


def measure_scores(marked: pl.DataFrame) -> Scores:
    """AUC, calibration and distribution of labelled scores."""
    table = calibration.reliability(marked)
    error = calibration.expected_error(table)
    return Scores(len(marked), metrics.auc(*auc_rows(marked)), error, table, calibration.distribution(marked))


def kept(challenger: pl.DataFrame, champion: pl.DataFrame) -> np.ndarray:
    """How many users have 0, 1, … K of the champion's K best items among the challenger's: [K + 1]."""
    same = champion.join(challenger.select("user_key", "item_id"), on=["user_key", "item_id"], how="semi")
    counts = champion.select("user_key").unique().join(same.group_by("user_key").len("same"), on="user_key", how="left")
    return np.bincount(counts["same"].fill_null(0).to_numpy(), minlength=K + 1)


def _only(frame: pl.DataFrame, group: Group) -> pl.DataFrame:
    """The rows of a group; all of a frame that does not know its key."""
    return frame.join(group.keys, on=group.key, how="semi", maintain_order="left") if group.key in frame.columns else frame


def _values(users: pl.DataFrame, name: str) -> np.ndarray:
    return users[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
