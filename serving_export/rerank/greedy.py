"""Fill the places of many users' lists at once, each with the candidate that adds most to the list so far.

At every place of a list S the candidate i with the largest value is taken:

    value(i) = relevance(i) - repeats · repeats(i)
             + novelty · novelty(i) + calibration · gain(i | S) - diversity · similarity(i, S)

- The first and the last term are maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998). The similarity of two items
  is half whether they are of one category and half the cosine of their vectors; that to a list is the largest to any item.
- Novelty is the self-information of an item's popularity (Vargas, Castells, RecSys 2011), from 0 to 1.
- The gain is how much the item brings the list's mix of categories nearer to the user's own: what the Kullback–Leibler
  divergence of Steck, "Calibrated recommendations" (RecSys 2018, equations 6 and 7) falls by, in nats.

All arrays are [users, candidates], so time and memory grow with both, and time with the places.
"""

from dataclasses import dataclass

import numpy as np

from cartwheel.settings import Settings

SMOOTHING = 0.01  # share of the user's own mix in that of the list: Steck's alpha, so that no logarithm is infinite
NO_CAP = 2**31 - 1
DUE, LATER = 1e6, -1e6  # values of a pinned item at its place, and before it: only a list that would end takes it early


@dataclass(frozen=True)
class Weights:
    """How much each term of a value counts, in units of the user's range of scores. 0 leaves it out."""

    diversity: float = 0.0
    novelty: float = 0.0
    calibration: float = 0.0
    repeats: float = 0.0
    kept_places: int = 0  # the first places of a list go by relevance and repeats alone

    @classmethod
    def of(cls, settings: Settings) -> "Weights":
        """Those of the settings."""
        return cls(
            settings.diversity_weight,
            settings.novelty_weight,
            settings.calibration_weight,
            settings.repeats_weight,
            settings.kept_places,
        )


@dataclass(frozen=True)
class Grid:
    """The candidates of some users for one list, best first. All arrays but `vectors` are [users, candidates]."""

    there: np.ndarray  # False pads
    relevance: np.ndarray  # 0 to 1
    repeats: np.ndarray  # 0 to 1
    novelty: np.ndarray  # 0 to 1
    category: np.ndarray  # code; -1 for none
    share: np.ndarray  # of its category in what the user buys
    cap: np.ndarray  # the most items of its category in the list
    place: np.ndarray  # where it is pinned, from 1; 0 for nowhere
    vector: np.ndarray  # row of `vectors`
    vectors: np.ndarray  # [items, width], each of length one or zero


def choose(grid: Grid, size: int, weights: Weights) -> np.ndarray:
    """The candidates at each place [users, at most size], as columns of the grid; -1 where a list has ended.

    Ties go to the better candidate by relevance. Pinned items do not wait for a cap, but count for it.
    """
    users, candidates = grid.there.shape
    rows, places = np.arange(users), min(size, candidates)
    base = np.where(grid.there, grid.relevance - weights.repeats * grid.repeats, -np.inf).astype(np.float32)
    later = base + (weights.novelty * grid.novelty).astype(np.float32)
    vectors = grid.vectors[grid.vector] if weights.diversity else None
    pinned, capped = grid.place > 0, bool((grid.cap < NO_CAP).any())
    same = np.zeros(grid.there.shape, np.int32)  # items of its category in the list
    similarity = np.zeros(grid.there.shape, np.float32)
    chosen = np.full((users, places), -1)
    for place in range(places):
        value: np.ndarray = base
        if place >= weights.kept_places:
            value = later
            if vectors is not None:
                value = value - np.float32(weights.diversity) * similarity
            if weights.calibration:
                value = value + np.float32(weights.calibration) * _gain(grid.share, same, place)
        if capped:
            value = np.where(same < grid.cap, value, -np.inf)
        if pinned.any():
            value = np.where(pinned, np.where(grid.place <= place + 1, DUE, LATER), value)
        best = value.argmax(axis=1)
        goes_on = value[rows, best] > -np.inf
        chosen[goes_on, place] = best[goes_on]
        base[rows, best] = later[rows, best] = -np.inf
        pinned[rows, best] = False
        category = np.where(goes_on, grid.category[rows, best], -1)[:, None]
        alike = (grid.category == category) & (category >= 0)
        same += alike
        if vectors is not None:
            cosine = np.matmul(vectors, vectors[rows, best][:, :, None])[:, :, 0]
            similarity = np.maximum(similarity, (alike.astype(np.float32) + cosine.clip(min=0)) / 2)
    return chosen


def _gain(share: np.ndarray, same: np.ndarray, place: int) -> np.ndarray:
    """What the divergence falls by if the candidate's category, now `same` times in the list, is taken once more."""
    once = np.float32((1 - SMOOTHING) / (place + 1))
    mix = once * same + np.float32(SMOOTHING) * share
    return share * np.log1p(np.divide(once, mix, out=np.zeros_like(mix), where=share > 0))
