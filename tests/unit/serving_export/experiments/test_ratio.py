"""Ratios of sums over users by hand, and against the spread of many repetitions."""

import numpy as np
import pytest

from serving_export.experiments.ratio import Ratio, absolute, adjusted, log_uplift, margin, ratio, relative, two_sided


def test_a_ratio_by_hand():
    """Three users: 2 of 4, 0 of 2, 2 of 6. r = 1/3, mean x = 4; (y − r·x)/4 = 1/6, −1/6, 0; variance 1/36, over 3 users."""
    own = ratio(np.array([2.0, 0, 2]), np.array([4.0, 2, 6]))
    assert own.value == pytest.approx(1 / 3) and own.variance == pytest.approx(1 / 108) and own.users == 3


def test_the_variance_counts_users_and_not_impressions():
    """Every user does all or nothing: ten impressions a user tell no more than one."""
    does = np.array([0.0, 1] * 50)
    assert ratio(10 * does, np.full(100, 10.0)).variance == pytest.approx(ratio(does, np.ones(100)).variance)


def test_a_ratio_needs_two_users_and_a_denominator():
    with pytest.raises(ValueError, match="two users"):
        ratio(np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="denominator above zero"):
        ratio(np.ones(2), np.zeros(2))


def test_uplift_by_hand():
    control, treatment = Ratio(0.1, 0.0001, 10), Ratio(0.12, 0.000144, 10)
    effect, variance = log_uplift(treatment, control)
    assert relative(effect, 0).value == pytest.approx(0.2) and variance == pytest.approx(0.02)
    assert absolute(treatment, control).value == pytest.approx(0.02)
    assert absolute(treatment, control).high == pytest.approx(0.02 + 1.959964 * 0.000244**0.5)
    assert two_sided(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6) and margin(1.0) == pytest.approx(1.959964)


def test_intervals_cover_the_truth_as_often_as_they_say():
    random, truth, covered = np.random.default_rng(7), 0.3 / 0.25 - 1, 0
    for _ in range(1000):
        pairs = []
        for chance in (0.25, 0.3):
            shown = random.integers(1, 20, size=400)
            pairs.append(ratio(random.binomial(shown, random.beta(20 * chance, 20 * (1 - chance), size=400)), shown))
        effect, variance = log_uplift(pairs[1], pairs[0])
        covered += relative(effect, margin(variance)).covers(truth)
    assert 930 <= covered <= 970


def test_a_covariate_takes_out_what_it_explains_and_nothing_else():
    random, shown = np.random.default_rng(3), np.full(5000, 10.0)
    habits = [random.gamma(2, size=5000) for _ in range(2)]
    clicks = [habit + random.normal(0, 0.1, size=5000) for habit in habits]
    plain = [ratio(each, shown) for each in clicks]
    less = adjusted([(each, shown) for each in clicks], habits)
    assert all(small.variance < 0.02 * large.variance for small, large in zip(less, plain, strict=True))
    assert less[1].value - less[0].value == pytest.approx(0, abs=0.001)
    unrelated = adjusted([(each, shown) for each in clicks], [np.ones(5000), np.ones(5000)])
    assert [each.value for each in unrelated] == [each.value for each in plain]
