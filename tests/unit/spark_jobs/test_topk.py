"""The best new items of blocks of users, against scores that are all computed and sorted."""

from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from spark_jobs import topk
from spark_jobs.matrix import Matrix


def made_up(users: int, items: int, factors: int, seed: int) -> tuple[np.ndarray, np.ndarray, csr_matrix]:
    """Factors in whole numbers, whose products no order of adding up can change; and which items were bought."""
    random = np.random.default_rng(seed)
    lengths = random.lognormal(0, 1, (items, 1))
    item_factors = np.round(4 * random.normal(size=(items, factors)) * lengths).astype(np.float32)
    bought = csr_matrix(random.random((users, items)) < 0.05)
    return np.round(9 * random.normal(size=(users, factors))).astype(np.float32), item_factors, bought


def all_sorted(scores: np.ndarray, bought: csr_matrix, size: int) -> list[list[int]]:
    scores = np.where(bought.toarray(), 0, scores)
    return [[column for column in np.lexsort((np.arange(len(row)), -row))[:size] if row[column] > 0] for row in scores]


def matrix_of(bought: csr_matrix) -> Matrix:
    users, items = (
        np.array([f"{kind}{place:06}" for place in range(size)]) for kind, size in zip("ui", bought.shape, strict=True)
    )
    return Matrix(users, items, bought.astype(np.float32))


def columns_by_user(frame, users: int) -> list[list[int]]:
    rows = sorted((row.user_key, row.rank, int(row.item_id[1:]), row.score) for row in frame.collect())
    found: list[list[int]] = [[] for _ in range(users)]
    for user, entries in groupby(rows, key=lambda row: row[0]):
        entries = list(entries)
        assert [rank for _, rank, _, _ in entries] == list(range(1, len(entries) + 1))
        assert all(a[3] >= b[3] > 0 for a, b in pairwise(entries))
        found[int(user[1:])] = [item for _, _, item, _ in entries]
    return found


@pytest.mark.parametrize(("items", "size"), [(40, 100), (3000, 10), (5001, 50)])
def test_factors_give_what_all_products_give(spark, items, size):
    user_factors, item_factors, bought = made_up(300, items, 8, seed=items)
    found = columns_by_user(topk.best_by_factors(spark, matrix_of(bought), user_factors, item_factors, size), 300)
    assert found == all_sorted(user_factors @ item_factors.T, bought, size)


def test_sparse_scores_give_what_all_scores_give(spark):
    user_factors, item_factors, bought = made_up(300, 500, 4, seed=1)
    scores = csr_matrix(np.round(user_factors @ item_factors.T))
    found = columns_by_user(topk.best_by_scores(spark, matrix_of(bought), lambda block: scores[block], 20), 300)
    assert found == all_sorted(scores.toarray(), bought, 20)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), items=st.integers(1, 300), size=st.integers(1, 40), levels=st.integers(1, 3))
def test_equal_scores_stand_in_the_order_of_the_items(seed, items, size, levels):
    random = np.random.default_rng(seed)
    users, vectors = (random.integers(0, levels + 1, (rows, 2)).astype(np.float32) for rows in (7, items))
    bought = csr_matrix(random.random((7, items)) < 0.2)
    lengths = np.linalg.norm(vectors, axis=1)
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    moved = csr_matrix(bought[:, order])
    rows, columns, _ = topk._best_products(users, vectors[order], lengths[order], order, moved, size)
    assert [columns[rows == row].tolist() for row in range(7)] == all_sorted(users @ vectors.T, bought, size)


def test_few_true_values_are_found_whatever_the_length():
    for length in (0, 5, 8, 64, 67):
        mask = np.arange(length) % 5 == 0
        assert topk._places_of(mask).tolist() == np.flatnonzero(mask).tolist()
