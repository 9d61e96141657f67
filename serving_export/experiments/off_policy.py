"""What another ranking would have earned, from the log of one that was shown with known chances.

A row is one item shown at one rank. Its `propensity` is the chance with which the shop put that item at that rank, its `target`
the chance with which the new ranking does (1 or 0 for one that draws nothing). If a reward depends on the item and the rank it
stands at, as in the position-based click model, the weight target / propensity makes the log a fair sample of the new ranking
(item-position model: Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen, "Offline Evaluation of Ranking Policies with
Click Models", KDD 2018). Values are rewards per list; requests of one user are summed, so that users are the unit.
"""

from dataclasses import dataclass

import numpy as np

from serving_export.experiments.ratio import Interval, margin, ratio

MINIMUM_EFFECTIVE_ROWS = 100


class NoSupportError(ValueError):
    """The log does not say what the new ranking would earn: it shows what the shop hardly ever showed, or never."""


@dataclass(frozen=True)
class Log:
    """Rows of a log; all arrays [rows], but for the last.

    Attributes:
        user: whose request it was, from 0 to users − 1.
        request: the request, from 0 to requests − 1.
        reward: what came of it, such as 1 for a click.
        propensity: above 0, at most 1.
        target: from 0 to 1; over the ranks and items of a request they sum to `list_size`.
        predicted: a model's guess of the reward; None where only the weights are used.
        of_target: the guess for the whole list of the new ranking [requests]: Σ target · predicted over items and ranks.
        list_size: places of a list.
    """

    user: np.ndarray
    request: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    target: np.ndarray
    list_size: int
    predicted: np.ndarray | None = None
    of_target: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise ValueError("propensities must be above 0 and at most 1: log the chance with which each item came to its rank")
        if not ((self.target >= 0) & (self.target <= 1)).all():
            raise ValueError("target chances must be from 0 to 1")
        if (self.predicted is None) != (self.of_target is None):
            raise ValueError("a model gives both `predicted` and `of_target`")

    @property
    def weights(self) -> np.ndarray:
        return self.target / self.propensity

    def per_user(self, values: np.ndarray) -> np.ndarray:
        """Sums of row values [rows] by user [users]."""
        return np.bincount(self.user, values)

    def requests_per_user(self) -> np.ndarray:
        _, first = np.unique(self.request, return_index=True)
        return np.bincount(self.user[first], minlength=int(self.user.max()) + 1)


def effective_rows(log: Log) -> float:
    """Rows of equal weight that would tell as much: (Σw)² / Σw² (Kish, 1965)."""
    return float(log.weights.sum() ** 2 / (log.weights**2).sum()) if log.weights.any() else 0.0


def check_support(log: Log) -> None:
    """Whether the log can answer at all.

    Under full support the weights of a request sum to its `list_size` in expectation; where the new ranking does what was
    never done they fall short. An interval of 99.9 % allows for chance.

    Raises:
        NoSupportError: too few effective rows, or the weights do not sum to what they should.
    """
    rows = effective_rows(log)
    if rows < MINIMUM_EFFECTIVE_ROWS:
        raise NoSupportError(
            f"the log counts as {rows:.0f} rows for the new ranking and needs {MINIMUM_EFFECTIVE_ROWS}: they hardly overlap"
        )
    overlap = _mean(log.per_user(log.weights), log.requests_per_user() * log.list_size, level=0.999)
    if not overlap.covers(1.0):
        raise NoSupportError(
            f"the weights make {overlap.value:.2f} of what they should ({overlap.low:.2f} to {overlap.high:.2f}): the new "
            "ranking shows items at ranks where the shop never did, or propensities are wrong"
        )


def ips(log: Log) -> Interval:
    """Inverse propensity scoring: mean over requests of Σ w · reward. Unbiased; raises as `check_support`."""
    check_support(log)
    return _mean(log.per_user(log.weights * log.reward), log.requests_per_user())


def snips(log: Log) -> Interval:
    """Self-normalized (Swaminathan and Joachims, NeurIPS 2015): list_size · Σ w · reward / Σ w. Raises as `check_support`."""
    check_support(log)
    each = _mean(log.per_user(log.weights * log.reward), log.per_user(log.weights))
    return Interval(*(log.list_size * side for side in (each.value, each.low, each.high)))


def doubly_robust(log: Log) -> Interval:
    """The model's guess for the new list, plus w · (reward − guess) of what was shown (Dudík, Langford and Li, ICML 2011).

    Right if either the propensities or the model are; narrow if the model is good.

    Raises:
        ValueError: the log has no model's guesses.
        NoSupportError: as `check_support`.
    """
    if log.predicted is None or log.of_target is None:
        raise ValueError("doubly robust estimates need a model's guesses: `predicted` and `of_target`")
    check_support(log)
    _, first = np.unique(log.request, return_index=True)
    guessed = np.bincount(log.user[first], log.of_target, minlength=int(log.user.max()) + 1)
    corrections = log.per_user(log.weights * (log.reward - log.predicted))
    return _mean(guessed + corrections, log.requests_per_user())


def _mean(sums: np.ndarray, counts: np.ndarray, level: float = 0.95) -> Interval:
    """A ratio of sums per user [users], with its interval."""
    own = ratio(sums, counts)
    half = margin(own.variance, level)
    return Interval(own.value, own.value - half, own.value + half)
