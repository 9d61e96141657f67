"""P-values and intervals that hold however often one looks, and whenever one stops.

The mixture sequential probability ratio test with a normal mixture (Robbins, 1970; Johari, Koomen, Pekelis and Walsh, "Always
Valid Inference", Operations Research 2022), on estimates that are normal for many users, as asymptotic confidence sequences
allow (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 2024). With an estimate θ of variance V and the
mixture N(0, τ²), the likelihood ratio against "no effect" is

    Λ = sqrt(V / (V + τ²)) · exp(τ² θ² / (2 V (V + τ²)))

Under no effect Λ is a martingale, so the chance that it ever reaches 1/α is at most α (Ville's inequality). τ is the size of
effect that the test is quickest at; the rate of false alarms holds for any τ that is chosen before the data are seen.
"""

import numpy as np


def p_values(effects: np.ndarray, variances: np.ndarray, tau: float) -> np.ndarray:
    """Always-valid p-values of a series of looks [looks]: the smallest 1/Λ so far, at most 1.

    A look without an estimate (nan) decides nothing.
    """
    ratios = _log_likelihood_ratio(effects, variances, tau)
    return np.exp(-np.maximum.accumulate(np.maximum(np.nan_to_num(ratios, nan=0.0), 0.0)))


def margins(variances: np.ndarray, tau: float, level: float = 0.95) -> np.ndarray:
    """Half the width of the confidence sequence at each look [looks]: all intervals cover the truth together."""
    alpha, total = 1 - level, variances + tau**2
    return np.sqrt(variances * total / tau**2 * np.log(total / (variances * alpha**2)))


def confidence_sequence(effects: np.ndarray, variances: np.ndarray, tau: float, level: float = 0.95) -> np.ndarray:
    """What all looks so far agree on: lower and upper ends [looks, 2], nan before the first estimate.

    The intervals of all looks cover the truth together, so what they have in common does too, and it only narrows. A lower end
    above the upper one says that the effect is not the same at all times. 0 is outside just where a p-value is below 1 − level.
    """
    half = margins(variances, tau, level)
    return np.stack([np.fmax.accumulate(effects - half), np.fmin.accumulate(effects + half)], axis=1)


def _log_likelihood_ratio(effects: np.ndarray, variances: np.ndarray, tau: float) -> np.ndarray:
    total = variances + tau**2
    return 0.5 * np.log(variances / total) + tau**2 * effects**2 / (2 * variances * total)
