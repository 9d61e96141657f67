"""What a challenger must not harm, however good it is on average: coverage, and every large segment.

The gate compares its lists with `reference`: the champion's lists, or for a shop's first model those of the best simple
rule, which is what the shop would otherwise serve. In both views, all items and items new to the user:

- coverage@10 must keep a share of the reference's, so that better hits are not bought by showing everyone the same;
- NDCG@10 in a large segment must not be proven to fall by more than `MARGIN`. Segments are everyone, the users of each
  `training.segments`, and against a champion the buyers of each department, for whom only its items count.

Many segments are looked at, and one in twenty would look harmed by chance. The intervals therefore hold for all of them
at once with 95 %: they are as wide as the largest of all studentised deviations of a resample asks for (max-t bootstrap
over users: Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple
hypothesis testing", without the steps). A small shop has no large segment,
and only its coverage is guarded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from training import metrics

K = 10
CHAMPION = "champion"
LARGE = 100  # users with a purchase in the window; the mean of fewer says too little to refuse a model by
MARGIN = 0.02  # of the reference's NDCG@10 in the segment: what another seed of the same model may well differ by
COVERAGE_KEPT = 0.8  # of the champion's coverage; two seeds of one model differ by a few hundredths of it
ROUNDING = 1e-12  # a difference that is the same for all users deviates by this, not by chance
FIRST_COVERAGE_KEPT = 0.5  # of the best rule's: buy-again knows no common taste and covers more than a ranker should


@dataclass(frozen=True)
class View:
    """Ranked lists (user_key, item_id, rank) of the challenger and of what it is guarded by, on one truth."""

    name: str  # all or new
    challenger: pl.DataFrame
    reference: pl.DataFrame
    reference_name: str  # champion or a rule
    truth: metrics.Truth


@dataclass(frozen=True)
class Coverage:
    """Share of the catalogue in anybody's first ten, the challenger's and the reference's."""

    view: str
    reference: str
    challenger: float
    other: float
    kept: float  # the share of `other` that must be kept

    @property
    def broken(self) -> bool:
        return self.challenger < self.kept * self.other

    def __str__(self) -> str:
        least = f"at least {self.kept:g} of it is asked for"
        return f"coverage, {self.view} items: {self.challenger:.4f} against {self.reference} {self.other:.4f}, {least}"


@dataclass(frozen=True)
class Segment:
    """Mean NDCG@10 within a segment, the challenger's and the reference's, and the difference."""

    view: str
    kind: str
    segment: str
    users: int
    reference: str
    challenger: float
    other: float
    difference: metrics.Estimate  # its interval holds for all segments at once

    @property
    def broken(self) -> bool:
        return self.difference.high < -MARGIN * self.other

    def __str__(self) -> str:
        figures = f"{self.challenger:.4f} against {self.reference} {self.other:.4f}"
        interval = f"[{self.difference.low:+.4f}, {self.difference.high:+.4f}]"
        return f"{self.kind} {self.segment} ({self.users} users), {self.view} items: {figures}, difference {interval}"


Guardrail = Coverage | Segment


def check(views: list[View], user_segments: pl.DataFrame, items: pl.DataFrame) -> list[Guardrail]:
    """Every guardrail, broken or not.

    Args:
        user_segments: user_key, kind, segment (`segments.user_segments`). items: the lake's `items`.
    """
    return [*(coverage(view) for view in views), *segments(views, user_segments, items)]


def coverage(view: View) -> Coverage:
    """Coverage@10 of both lists of a view."""
    own, other = (metrics.coverage(ranked, view.truth, K) for ranked in (view.challenger, view.reference))
    kept = COVERAGE_KEPT if view.reference_name == CHAMPION else FIRST_COVERAGE_KEPT
    return Coverage(view.name, view.reference_name, own, other, kept)


def segments(views: list[View], user_segments: pl.DataFrame, items: pl.DataFrame) -> list[Segment]:
    """NDCG@10 in every large segment of every view."""
    groups = ((view, *group) for view in views for group in _groups(view, user_segments, items))
    large = [(view, kind, segment, users) for view, kind, segment, users in groups if len(users) >= LARGE]
    if not large:
        return []
    place = pl.concat([users.select("user_key") for _, _, _, users in large]).unique().sort("user_key").with_row_index("place")
    difference = np.full((len(place), len(large)), np.nan)
    for column, (_, _, _, users) in enumerate(large):
        rows = users.join(place, on="user_key", maintain_order="left")
        difference[rows["place"].to_numpy(), column] = (rows["own"] - rows["other"]).to_numpy()
    found = []
    for (view, kind, segment, users), estimate in zip(large, simultaneous(difference), strict=True):
        own, other = (float(users[name].to_numpy().mean()) for name in ("own", "other"))
        found.append(Segment(view.name, kind, segment, len(users), view.reference_name, own, other, estimate))
    return found


def simultaneous(values: np.ndarray) -> list[metrics.Estimate]:
    """The mean of each column, with intervals that hold for all columns at once with 95 %.

    Args:
        values: [users, columns], NaN where a user is not in the column; the same users are drawn for all columns.
    """
    inside = ~np.isnan(values)
    drawn = metrics.resample_weights(len(values))
    means = (drawn @ np.where(inside, values, 0.0)) / (drawn @ inside.astype(np.float32))
    mean, error = np.nanmean(values, axis=0), means.std(axis=0)
    deviations = np.divide(np.abs(means - mean), error, out=np.zeros_like(means), where=error > ROUNDING)
    widest = float(np.quantile(deviations.max(axis=1), 0.95))
    bounds = np.stack([mean, mean - widest * error, mean + widest * error], axis=1)
    return [metrics.Estimate(*row) for row in bounds.tolist()]


def _groups(view: View, user_segments: pl.DataFrame, items: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Kind, segment, and the NDCG@10 of its users: user_key, own, other."""
    everyone = _ndcg(view, view.truth)
    yield "users", "all", everyone
    grouped = everyone.join(user_segments, on="user_key").sort("kind", "segment", "user_key")
    for (kind, segment), users in grouped.group_by("kind", "segment", maintain_order=True):
        yield str(kind), str(segment), users
    if view.reference_name != CHAMPION:
        return  # a rule gives its ten places to other departments than a model does: less in one is no harm by itself
    pairs = view.truth.pairs.join(items.select("item_id", "department").drop_nulls(), on="item_id").sort("department")
    for (department,), bought in pairs.group_by("department", maintain_order=True):
        yield "department", str(department), _ndcg(view, metrics.Truth(bought.drop("department"), view.truth.catalogue))


def _ndcg(view: View, truth: metrics.Truth) -> pl.DataFrame:
    own, other = (metrics.per_user(ranked, truth, K) for ranked in (view.challenger, view.reference))
    return own.select("user_key", own="ndcg").join(other.select("user_key", other="ndcg"), on="user_key", maintain_order="left")
