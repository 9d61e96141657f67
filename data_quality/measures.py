"""The two statistics of the drift checks, on plain numbers."""

import math
import statistics
from collections.abc import Sequence


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The population stability index of two histograms over the same bins: sum of (a - e) * ln(a / e) over the shares.

    Half a row is added to every bin, so that an empty one counts as rare rather than impossible. 0 means equal shares;
    by custom, below 0.1 is stable and above 0.25 has shifted. It is the symmetric Kullback-Leibler divergence (Jeffreys
    1946), in use for scorecards since Siddiqi, Credit Risk Scorecards (2006); its sampling distribution is in
    Yurdakul, Statistical Properties of the Population Stability Index (2018).

    Raises:
        ValueError: the histograms differ in their number of bins, or have none.
    """
    if len(expected) != len(actual) or not expected:
        raise ValueError(f"histograms of {len(expected)} and {len(actual)} bins cannot be compared")
    return sum(psi_terms(expected, actual))


def psi_terms(expected: Sequence[int], actual: Sequence[int]) -> list[float]:
    """What each bin adds to the PSI; none is negative."""
    e_total, a_total = sum(expected) + len(expected) / 2, sum(actual) + len(actual) / 2
    shares = [((e + 0.5) / e_total, (a + 0.5) / a_total) for e, a in zip(expected, actual, strict=True)]
    return [(a - e) * math.log(a / e) for e, a in shares]


def robust_z(value: float, history: Sequence[float], least_spread: float) -> float:
    """How many robust standard deviations a value lies from the median of its history.

    The deviation is 1.4826 times the median absolute deviation, which is the standard deviation where the history is
    normal (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993), and at least `least_spread`: a history that
    hardly varies must not make every small change a sensation.
    """
    middle = statistics.median(history)
    deviation = statistics.median([abs(past - middle) for past in history])
    return (value - middle) / max(1.4826 * deviation, least_spread)
