"""Measures of ranked lists, per user, and their 95 % bootstrap intervals.

Protocol: the whole catalogue (items with at least `min_item_purchases` purchases before the cut-off) may be ranked;
the truth of a user is the distinct catalogue items bought in the window; users with none are left out. `new` leaves
out what the user had bought before, from both sides.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

RESAMPLES = 1000
SEED = 17
AucRows = tuple[np.ndarray, np.ndarray, np.ndarray]  # scores, labels, users


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Truth:
    """What every user bought in a window: pairs (user_key, item_id), and the catalogue with its purchase counts."""

    pairs: pl.DataFrame
    catalogue: pl.DataFrame

    @property
    def users(self) -> pl.DataFrame:
        """Users with at least one item, with their number of items, in order of key."""
        return self.pairs.group_by("user_key").len("items").sort("user_key")


def truth(purchases: pl.DataFrame, item: pl.DataFrame, bought: pl.DataFrame | None = None, minimum: int = 5) -> Truth:
    """The truth of a window.

    Args:
        purchases: user_key, item_id bought in the window.
        item: the cut-off's features/item (item_id, purchases so far).
        bought: user_key, item_id bought before the cut-off, to leave out (the `new` view); None keeps all.
        minimum: purchases an item needs to be in the catalogue.
    """
    catalogue = item.filter(pl.col("purchases") >= minimum).select("item_id", "purchases")
    pairs = purchases.select("user_key", "item_id").unique().join(catalogue, on="item_id", how="semi")
    if bought is not None:
        pairs = pairs.join(bought, on=["user_key", "item_id"], how="anti")
    return Truth(pairs.sort("user_key", "item_id"), catalogue)


def per_user(ranked: pl.DataFrame, of: Truth, k: int = 10) -> pl.DataFrame:
    """NDCG, recall, hit rate, precision, F1, reciprocal rank and novelty at k, one row per user of the truth, in order of key.

    `ranked` has user_key, item_id, rank (1 is best). Relevance is binary; the ideal list holds min(k, items) hits.
    Precision is over k, also for a shorter list; F1 is the harmonic mean of precision and recall; the reciprocal rank (its
    mean is the MRR) is that of the first hit. Novelty is the mean of -log2 of the items' share of purchases. A user
    without a list gets zeros (novelty null).
    """
    share = of.catalogue.select("item_id", novelty=-(pl.col("purchases") / pl.col("purchases").sum()).log(2))
    top = ranked.filter(pl.col("rank") <= k).join(share, on="item_id", how="left")
    hits = top.join(of.pairs.with_columns(hit=1.0), on=["user_key", "item_id"], how="left").with_columns(
        pl.col("hit").fill_null(0.0),
        gain=pl.col("hit").fill_null(0.0) / (pl.col("rank") + 1).log(2),
        reciprocal=pl.col("hit").fill_null(0.0) / pl.col("rank"),
    )
    sums = hits.group_by("user_key").agg(pl.col("hit", "gain").sum(), pl.col("reciprocal").max(), pl.col("novelty").mean())
    ideal = pl.DataFrame({"ideal_hits": range(1, k + 1)}, schema={"ideal_hits": pl.UInt32}).with_columns(
        ideal=(1 / (pl.col("ideal_hits") + 1).log(2)).cum_sum()
    )
    return (
        of.users.with_columns(ideal_hits=pl.col("items").clip(upper_bound=k).cast(pl.UInt32))
        .join(ideal, on="ideal_hits", how="left")
        .join(sums, on="user_key", how="left")
        .with_columns(pl.col("hit", "gain", "reciprocal").fill_null(0.0))
        .select(
            "user_key",
            ndcg=pl.col("gain") / pl.col("ideal"),
            recall=pl.col("hit") / pl.col("items"),
            hit_rate=(pl.col("hit") > 0).cast(pl.Float64),
            precision=pl.col("hit") / k,
            f1=2 * pl.col("hit") / (k + pl.col("items")),
            mrr="reciprocal",
            novelty="novelty",
        )
        .sort("user_key")
    )


def coverage(ranked: pl.DataFrame, of: Truth, k: int = 10) -> float:
    """Share of the catalogue that is in anybody's top k."""
    return ranked.filter(pl.col("rank") <= k).join(of.catalogue, on="item_id", how="semi")["item_id"].n_unique() / len(
        of.catalogue
    )


def concentration(ranked: pl.DataFrame, of: Truth, k: int = 10) -> float:
    """Gini coefficient of how often each item of the catalogue is in a top k: 0 is all alike, near 1 is the same few."""
    shown = ranked.filter(pl.col("rank") <= k).group_by("item_id").len("times")
    times = of.catalogue.join(shown, on="item_id", how="left").select(pl.col("times").fill_null(0)).to_series().sort().to_numpy()
    place = np.arange(1, len(times) + 1)
    return float(((2 * place - len(times) - 1) * times).sum() / (len(times) * times.sum())) if times.sum() else float("nan")


def diversity(ranked: pl.DataFrame, items: pl.DataFrame, k: int = 10) -> pl.DataFrame:
    """The share of pairs within a user's top k that are of different categories: user_key, diversity.

    Items without a category are left out, and so are users with fewer than two others.
    """
    top = ranked.filter(pl.col("rank") <= k).join(items.select("item_id", "category").drop_nulls(), on="item_id")
    alike = top.group_by("user_key", "category").len("items").with_columns(pl.col("items").cast(pl.Float64))
    pairs = alike.group_by("user_key").agg(n=pl.col("items").sum(), same=(pl.col("items") * (pl.col("items") - 1)).sum())
    pairs = pairs.filter(pl.col("n") > 1)
    return pairs.select("user_key", diversity=1 - pl.col("same") / (pl.col("n") * (pl.col("n") - 1))).sort("user_key")


@lru_cache(maxsize=8)  # many measures are of the same users
def resample_weights(users: int, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each user is drawn in each resample [resamples, users]; the same for every measure, hence paired."""
    return np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), size=resamples).astype(np.float32)


def interval(values: np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """The mean over users with its 95 % bootstrap interval; users without a value (NaN) are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    drawn = resample_weights(len(values)) if weights is None else weights
    means = drawn @ values / len(values)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


def auc(scores: np.ndarray, labels: np.ndarray, users: np.ndarray, resamples: int = 200) -> Estimate:
    """Area under the ROC curve over all rows, with a bootstrap over users; ties count a half.

    Args:
        scores: [rows]; labels: [rows] 0 or 1; users: [rows] numbered from 0.
    """
    if not len(scores):
        return Estimate(float("nan"), float("nan"), float("nan"))
    return _estimate(*_areas(scores, labels, users, resample_weights(int(users.max()) + 1, resamples)))


def auc_difference(first: AucRows, second: AucRows, resamples: int = 200) -> Estimate:
    """How much larger the first's AUC is than the second's, the same users drawn for both; each is the arguments of `auc`."""
    weights = resample_weights(int(max(first[2].max(), second[2].max())) + 1, resamples)
    (value, drawn), (other, other_drawn) = (_areas(*rows, weights) for rows in (first, second))
    return _estimate(value - other, drawn - other_drawn)


def _areas(scores: np.ndarray, labels: np.ndarray, users: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """The AUC, and that of every resample of users."""
    _, place = np.unique(scores, return_inverse=True)
    positive = labels.astype(bool)

    def area(weight: np.ndarray) -> float:
        ups = np.bincount(place[positive], weights=weight[positive], minlength=place.max() + 1)
        downs = np.bincount(place[~positive], weights=weight[~positive], minlength=place.max() + 1)
        below = np.cumsum(downs) - downs
        pairs = ups.sum() * downs.sum()
        return float((ups * (below + downs / 2)).sum() / pairs) if pairs else float("nan")

    drawn = np.array([area(resample[users].astype(np.float64)) for resample in weights])
    return area(np.ones(len(scores))), drawn


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
