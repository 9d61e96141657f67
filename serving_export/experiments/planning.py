"""Before an experiment: how many users it needs. After it: whether its users were split as they should have been."""

import math

import numpy as np
from scipy.stats import chisquare, norm

from serving_export.experiments.ratio import Ratio

MISMATCH = 0.001  # below, the split is not the one that was defined


def sample_ratio_p(users: np.ndarray, shares: np.ndarray) -> float:
    """The p-value of so many users per variant [variants] under their shares, which make 1 (chi-square).

    Below `MISMATCH`, no other figure of the experiment is to be trusted: users are missing from a variant, and not by chance
    (Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019).
    """
    return float(chisquare(users, shares * users.sum()).pvalue)


def required_users(
    baseline: Ratio, effect: float, shares: tuple[float, float] = (0.5, 0.5), power: float = 0.8, level: float = 0.95
) -> int:
    """Users of control and treatment together, so that a relative change is found with the chance `power` at one fixed time.

    N = (z(1 − α/2) + z(power))² · v · (1/p + 1/q) / log(1 + effect)², with v the variance per user of the logarithm of the
    ratio, measured on users of the baseline over as many days, and p, q the shares of control and treatment.

    Raises:
        ValueError: the baseline is zero, so that nothing is known of its variance.
    """
    if baseline.value <= 0:
        raise ValueError("the baseline's ratio is zero: wait until there is something to count")
    per_user = baseline.log_variance * baseline.users
    z = norm.isf((1 - level) / 2) + norm.ppf(power)
    return math.ceil(z**2 * per_user * (1 / shares[0] + 1 / shares[1]) / math.log1p(effect) ** 2)
