"""Popularity, item-KNN, EASE and ALS: scores worked out by hand, or by the formula written down without any shortcut."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from benchmarks.leave_one_out import Split, evaluate
from benchmarks.rivals import als, ease, item_knn, popularity

HELD_OUT = [0, 0]  # not learnt from


def split_of(*sequences: list[int], items: int) -> Split:
    histories = [np.array([*own, *HELD_OUT]) for own in sequences]
    return Split([f"u{n}" for n in range(len(sequences))], [f"i{n}" for n in range(items)], histories)


def random_ones(users: int, items: int) -> csr_matrix:
    return csr_matrix((np.random.default_rng(2).random((users, items)) < 0.4).astype(np.float32))


def test_popularity_counts_the_training_part():
    scores = popularity.fit(split_of([1, 2, 1], [2], [1], items=4), 1)([np.array([3]), np.array([1])])
    assert scores.tolist() == [[0, 3, 2, 0], [0, 3, 2, 0]]


def test_neighbours_are_the_most_similar_others(monkeypatch):
    monkeypatch.setattr(item_knn, "ROWS_PER_BLOCK", 2)  # the fifth item is a block of its own
    weights = random_ones(9, 5)
    products = (weights.T @ weights).toarray()
    np.fill_diagonal(products, 0)
    kept = item_knn.neighbours(weights, 2).toarray()
    assert kept.shape == (5, 5)
    for row, product in zip(kept, products, strict=True):
        assert sorted(row[row > 0]) == sorted(product)[-2:]
        assert (row[row > 0] == product[row > 0]).all()


def test_item_knn_scores_what_the_same_users_have():
    score = item_knn.fit(split_of([1, 2], [1, 2], [3, 4], items=5), 1)
    scores = score([np.array([1]), np.array([3])])
    assert scores.argmax(axis=1).tolist() == [2, 4]
    assert scores[0, [0, 1, 3, 4]].tolist() == [0, 0, 0, 0]


def test_ease_by_hand():
    # XᵀX + I is ((3, 2), (2, 3)), its inverse ((3, -2), (-2, 3)) / 5, so each item says 2/3 of the other and nothing of itself.
    score = ease.by_items(csr_matrix(np.ones((2, 2), np.float32)), 1)
    assert score(csr_matrix(np.eye(2, dtype=np.float32))) == pytest.approx(np.array([[0, 2 / 3], [2 / 3, 0]]), abs=1e-6)


@pytest.mark.parametrize("block", [2, 512])
@pytest.mark.parametrize("by", [ease.by_items, ease.by_users])
def test_ease_is_its_formula_from_either_side(by, block, monkeypatch):
    monkeypatch.setattr(ease, "BLOCK", block)
    ones, asked = random_ones(6, 9), random_ones(4, 9)
    dense = ones.toarray()
    inverse = np.linalg.inv(dense.T @ dense + 3 * np.eye(9))
    expected = asked.toarray() @ (np.eye(9) - inverse / np.diag(inverse))
    assert by(ones, 3.0)(asked) == pytest.approx(expected, abs=1e-5)


def test_als_is_a_fixed_point_for_the_users_and_the_same_for_a_seed():
    """A history that was trained on is folded in by the equation of Hu, Koren, Volinsky with the regularisation of the job."""
    split = split_of(*([1, 2, 3], [4, 5, 6]) * 6, [1, 3], items=7)
    counts = split.counts(split.train)
    model = als.ImplicitALS.for_matrix(counts, 3, 1)
    items = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    ones = counts.toarray()[0]
    confidence = np.diag(1 + model.alpha * ones)
    penalty = model.regularisation * (3 + 7 / model.alpha)
    expected = np.linalg.solve(items.T @ confidence @ items + penalty * np.eye(3), items.T @ confidence @ ones)
    assert als.solved(model, counts, items)[0] == pytest.approx(expected, rel=1e-4)
    first, again = (als.fit(split, 5)([np.array([1, 2])]) for _ in range(2))
    assert (first == again).all()
    assert first[0, 3] > first[0, [4, 5, 6]].max()


@pytest.mark.parametrize("method", [item_knn, ease, als])
def test_what_comes_together_is_found(method):
    """Every user has the six items of one of four kinds in an order of their own: the only one left is the target."""
    draw = np.random.default_rng(4)
    sequences = [6 * (user % 4) + draw.permutation(6) for user in range(60)]
    split = Split([str(n) for n in range(60)], [str(n) for n in range(24)], sequences)
    assert evaluate(split, method.fit(split, 1)).places.max() == 1


def test_ease_takes_the_penalty_that_is_best_on_validation(monkeypatch):
    draws = np.random.default_rng(3)
    sequences = [draws.permutation(15)[: draws.integers(4, 12)] for _ in range(30)]
    split = Split([str(n) for n in range(30)], [str(n) for n in range(15)], sequences)

    def fitted(*penalties):
        monkeypatch.setattr(ease, "PENALTIES", penalties)
        return ease.fit(split, 1)

    each = {penalty: evaluate(split, fitted(penalty), "validation").ndcg.mean() for penalty in (0.1, 300.0)}
    assert each[0.1] != each[300.0]
    best = fitted(max(each, key=each.__getitem__))(split.histories("test"))
    assert (fitted(0.1, 300.0)(split.histories("test")) == best).all()
