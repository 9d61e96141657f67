"""Where item vectors start: co-occurrence by hand, and neighbours that end up near each other."""

import numpy as np
import pytest
import torch

from training.spectral import co_occurrence, spectral_vectors


def test_co_occurrence_counts_one_over_the_distance_both_ways_and_not_across_users():
    near = co_occurrence([np.array([0, 1, 2, 3, 4]), np.array([0])], 5).toarray()
    assert near[0].tolist() == pytest.approx([0, 1, 1 / 2, 1 / 3, 0])
    assert (near == near.T).all()


def test_items_of_one_group_are_near_each_other():
    random = np.random.default_rng(1)
    sequences = [random.permutation(10)[:6] + 10 * (user % 3) for user in range(60)]
    vectors = spectral_vectors(sequences, 30, width=16, seed=1)
    assert vectors.norm(dim=1).numpy() == pytest.approx(4.0)  # √16
    cosine = vectors @ vectors.T / 16
    group = torch.arange(30) // 10
    same = group[:, None] == group
    assert cosine[same].mean() > cosine[~same].mean() + 0.3


@pytest.mark.parametrize(
    ("sequences", "items"), [([], 1), ([np.array([0])], 3), ([np.array([0, 1])], 2), ([np.array([0, 0])], 1)]
)
def test_little_data_still_gives_vectors(sequences, items):
    vectors = spectral_vectors(sequences, items, width=8, seed=1)
    assert vectors.shape == (items, 8) and vectors.isfinite().all()
    assert torch.equal(vectors, spectral_vectors(sequences, items, width=8, seed=1))
