"""The factorisation against its loss: a row's solution is the loss's minimum, and no partitioning changes a bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_matrix

from spark_jobs import implicit_als
from spark_jobs.implicit_als import ImplicitALS, padded

ALS = ImplicitALS(factors=6, sweeps=3, alpha=2.0, regularisation=0.05)


def made_up(users: int, items: int, seed: int) -> csr_matrix:
    weights = csr_matrix(random_matrix(users, items, 0.2, random_state=seed, dtype=np.float32))
    weights.data = np.ceil(5 * weights.data)
    return weights


def loss(als: ImplicitALS, weights: csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """The loss as the module's docstring has it, over every pair."""
    held = weights.toarray().astype(float)
    error = (1 + als.alpha * held) * ((held > 0) - users @ items.T) ** 2
    total = error.sum()
    for factors, counts, others in ((users, (held > 0).sum(1), len(items)), (items, (held > 0).sum(0), len(users))):
        reg = als.regularisation * (counts + others / als.alpha) ** als.exponent
        total += (reg[:, None] * factors.astype(float) ** 2).sum()
    return total


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_solved_rows_are_the_minimum_of_the_loss(exponent):
    als = ImplicitALS(factors=3, sweeps=1, alpha=2.0, regularisation=0.1, exponent=exponent)
    weights = made_up(20, 30, seed=1)
    items = np.random.default_rng(2).normal(size=(30, 3)).astype(np.float32)
    counts = np.diff(weights.indptr).astype(np.int64)
    users = als.solve_rows(counts, weights.indices, weights.data, items, items.T @ items)
    lowest = loss(als, weights, users, items)
    random = np.random.default_rng(3)
    for step in (1e-1, 1e-2):
        for _ in range(10):
            assert loss(als, weights, users + step * random.normal(size=users.shape), items) > lowest
    assert not users[counts == 0].any()


def test_a_row_by_hand():
    """One factor, one item of factor 2 with weight 3: x = (1 + 2·3)·2 / (2² + 2·3·2² + 0.5·(1 + 1/2))."""
    als = ImplicitALS(factors=1, sweeps=1, alpha=2.0, regularisation=0.5)
    items = np.array([[2.0]], np.float32)
    found = als.solve_rows(np.array([1]), np.array([0], np.int32), np.array([3.0], np.float32), items, items.T @ items)
    assert found[0, 0] == pytest.approx(7 * 2 / (4 + 24 + 0.75))


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_settings_follow_the_density(share):
    weights = csr_matrix(random_matrix(200, 100, share, random_state=1, dtype=np.float32))
    als = ImplicitALS.for_matrix(weights, factors=8, sweeps=2)
    zeros_to_ones = 200 * 100 / (als.alpha * weights.nnz)
    assert zeros_to_ones == pytest.approx(implicit_als.ZEROS_TO_ONES)
    assert als.regularisation / (1 + als.alpha) == pytest.approx(implicit_als.REGULARISATION)


def test_every_sweep_lowers_the_loss(spark):
    weights = made_up(40, 25, seed=4)
    losses = [
        loss(ALS, weights, *ImplicitALS(6, sweeps, ALS.alpha, ALS.regularisation).fit(spark, weights)) for sweeps in (1, 2, 4)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_blocks_and_batches_change_no_bit(spark, monkeypatch):
    weights = made_up(60, 45, seed=5)
    whole = ALS.fit(spark, weights)
    monkeypatch.setattr(implicit_als, "WORK_PER_BLOCK", 37)
    monkeypatch.setattr(implicit_als, "FLOATS_PER_BATCH", 500)
    parts = ALS.fit(spark, weights)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, parts, strict=True))


def test_one_row_with_more_weights_than_a_block(spark, monkeypatch):
    monkeypatch.setattr(implicit_als, "WORK_PER_BLOCK", 5)
    weights = csr_matrix(np.ones((3, 30), np.float32))
    blocks = implicit_als.blocks_of_rows(spark, weights, 1).collect()
    assert sorted((start, counts.tolist()) for start, counts, *_ in blocks) == [(0, [30]), (1, [30]), (2, [30])]


def test_a_system_that_cholesky_refuses_is_solved_all_the_same():
    indefinite = np.array([[1, 2], [2, 1]], np.float32)
    assert implicit_als.solved_spd(indefinite, np.array([3, 3], np.float32)) == pytest.approx([1, 1])


@settings(max_examples=50)
@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=50))
def test_padding_adds_at_most_a_quarter(counts):
    counts = np.array(counts)
    lengths = padded(counts)
    assert (lengths >= counts).all()
    assert (lengths <= np.maximum(counts * 1.25, counts + 1)).all()
    assert (padded(lengths) == lengths).all()  # a length of its own
