"""The sample ratio and the number of users, by hand."""

import numpy as np
import pytest

from serving_export.experiments.planning import MISMATCH, required_users, sample_ratio_p
from serving_export.experiments.ratio import Ratio, log_uplift, two_sided


def test_a_split_by_hand():
    """4900 and 5100 of halves: chi-square 2·100²/5000 = 4, p = 0.0455; in one of the thirds, it is a mismatch."""
    assert sample_ratio_p(np.array([4900, 5100]), np.array([0.5, 0.5])) == pytest.approx(0.0455, abs=1e-4)
    assert sample_ratio_p(np.array([4900, 5100]), np.array([1 / 3, 2 / 3])) < MISMATCH


def test_users_by_hand():
    """v = 0.0004/0.01·100 = 4 a user; z = 1.95996 + 0.84162; 2.80159²·4·4/log(1.1)² = 13,824.6."""
    assert required_users(Ratio(0.1, 0.0004, 100), 0.1) == 13_825
    assert required_users(Ratio(0.1, 0.0004, 100), 0.1, shares=(0.9, 0.1)) > 2 * 13_825
    with pytest.raises(ValueError, match="ratio is zero"):
        required_users(Ratio(0.0, 0.0, 100), 0.1)


def test_with_so_many_users_the_effect_is_found_four_times_in_five():
    users, chance, random = required_users(Ratio(0.2, 0.2 * 0.8 / 1000, 1000), 0.15), 0.2, np.random.default_rng(1)
    half, found = users // 2, 0
    for _ in range(1000):
        rates = [random.binomial(half, each) / half for each in (chance, chance * 1.15)]
        control, treatment = (Ratio(rate, rate * (1 - rate) / half, half) for rate in rates)
        found += two_sided(*log_uplift(treatment, control)) < 0.05
    assert 760 <= found <= 840
