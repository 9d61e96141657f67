"""Always-valid p-values by hand, and under constant peeking."""

import numpy as np
import pytest

from serving_export.experiments.sequential import confidence_sequence, margins, p_values


def test_by_hand():
    """V = τ² = 1, θ = 2: Λ = sqrt(1/2)·exp(4/4) = 1.9221, p = 0.5203; a weaker look later does not take it back."""
    effects, variances = np.array([2.0, np.nan, 0.0]), np.array([1.0, np.nan, 1.0])
    assert p_values(effects, variances, tau=1.0) == pytest.approx([0.52026, 0.52026, 0.52026], abs=1e-5)
    assert p_values(np.array([0.0]), np.array([1.0]), tau=1.0)[0] == 1
    """sqrt(1·2/1 · log(2 / 0.0025)) = 3.6566"""
    assert margins(np.array([1.0]), tau=1.0)[0] == pytest.approx(3.65637, abs=1e-4)


def test_the_interval_excludes_zero_just_when_the_p_value_is_small():
    variances = np.array([0.01, 0.5, 3.0])
    edge = margins(variances, tau=0.3)
    for factor, small in ((1.001, True), (0.999, False)):
        for effect, variance in zip(factor * edge, variances, strict=True):
            assert (p_values(np.array([effect]), np.array([variance]), tau=0.3)[0] < 0.05) == small


def test_the_looks_of_a_sequence_only_narrow_it():
    """Looks of variance 1 and τ = 1 reach 3.6566 to either side; one without an estimate adds nothing."""
    found = confidence_sequence(np.array([np.nan, 1.0, np.nan, -2.0]), np.array([np.nan, 1.0, np.nan, 1.0]), tau=1.0)
    assert np.isnan(found[0]).all()
    assert found[1:] == pytest.approx(np.array([[-2.65637, 4.65637], [-2.65637, 4.65637], [-2.65637, 1.65637]]), abs=1e-4)
    low, high = confidence_sequence(np.array([9.0, -9.0]), np.ones(2), tau=1.0)[-1]
    assert low > high, "the two looks contradict"


def test_peeking_every_day_raises_no_more_false_alarms_than_stated():
    """Random walks without drift: the fixed-time test is wrong far more often than 5 % when one stops at will, this is not."""
    looks = np.arange(1, 101)
    effects = np.random.default_rng(5).normal(size=(2000, 100)).cumsum(axis=1) / looks
    variances = 1 / looks
    false_alarms = np.mean([p_values(row, variances, tau=0.3)[-1] <= 0.05 for row in effects])
    naive = np.mean((np.abs(effects) / np.sqrt(variances) > 1.96).any(axis=1))
    assert 0 < false_alarms <= 0.05 and naive > 0.3
    assert np.mean((np.abs(effects) <= margins(variances, tau=0.3)).all(axis=1)) >= 0.95
