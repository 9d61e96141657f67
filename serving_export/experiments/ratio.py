"""Ratios of sums over users, such as clicks over impressions, and how two of them compare.

Users are the unit: the events of one user depend on one another, so the variance comes from sums per user by the delta method
(Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics", KDD 2018). A covariate from before the experiment
takes out what users bring with them (CUPED: Deng, Xu, Kohavi and Walker, WSDM 2013).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm


@dataclass(frozen=True)
class Ratio:
    """An estimated ratio and the variance of the estimate, from so many users."""

    value: float
    variance: float
    users: int

    @property
    def log_variance(self) -> float:
        """The variance of the estimate's logarithm."""
        return self.variance / self.value**2


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float

    def covers(self, truth: float) -> bool:
        return self.low <= truth <= self.high


def linearized(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """What each user adds to the error of the ratio [users]: (y − r·x) / mean(x), with r the ratio of the sums."""
    return (numerator - numerator.sum() / denominator.sum() * denominator) / denominator.mean()


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Ratio:
    """Of two sums per user [users].

    Raises:
        ValueError: fewer than two users, or the denominators are all zero.
    """
    if len(numerator) < 2 or denominator.sum() <= 0:
        raise ValueError("a ratio needs two users and a denominator above zero")
    parts = linearized(numerator, denominator)
    return Ratio(numerator.sum() / denominator.sum(), float(parts.var(ddof=1)) / len(parts), len(parts))


def adjusted(pairs: list[tuple[np.ndarray, np.ndarray]], covariates: list[np.ndarray]) -> list[Ratio]:
    """The ratios of all variants less what their covariates predict: r − θ(mean c − mean c of all variants).

    θ is the slope of the linearized ratio on the covariate, pooled within variants; the expectation stays the same, as users
    are assigned by chance. `pairs` are numerators and denominators [users], `covariates` [users], one of each per variant.
    """
    parts = [linearized(*pair) for pair in pairs]
    centred = [covariate - covariate.mean() for covariate in covariates]
    spread = sum(float(each @ each) for each in centred)
    slope = sum(float(part @ each) for part, each in zip(parts, centred, strict=True)) / spread if spread else 0.0
    centre = np.concatenate(covariates).mean()
    return [
        Ratio(
            numerator.sum() / denominator.sum() - slope * (covariate.mean() - centre),
            float((part - slope * each).var(ddof=1)) / len(part),
            len(part),
        )
        for (numerator, denominator), covariate, part, each in zip(pairs, covariates, parts, centred, strict=True)
    ]


def log_uplift(treatment: Ratio, control: Ratio) -> tuple[float, float]:
    """log(treatment / control) and its variance; both ratios are above zero."""
    return float(np.log(treatment.value / control.value)), treatment.log_variance + control.log_variance


def relative(log_effect: float, margin: float) -> Interval:
    """The relative change, such as 0.18, whose logarithm is known up to `margin`."""
    return Interval(*(float(np.expm1(each)) for each in (log_effect, log_effect - margin, log_effect + margin)))


def absolute(treatment: Ratio, control: Ratio, level: float = 0.95) -> Interval:
    """The difference of two ratios, with its interval at one fixed time."""
    difference = treatment.value - control.value
    margin = float(norm.isf((1 - level) / 2) * np.sqrt(treatment.variance + control.variance))
    return Interval(difference, difference - margin, difference + margin)


def two_sided(effect: float, variance: float) -> float:
    """The p-value of an effect at one fixed time, by the normal distribution."""
    return float(2 * norm.sf(abs(effect) / np.sqrt(variance)))


def margin(variance: float, level: float = 0.95) -> float:
    """Half the width of the interval at one fixed time."""
    return float(norm.isf((1 - level) / 2) * np.sqrt(variance))
