"""The linear model of what goes together: its closed form on either side, and what a user is shown of it."""

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from spark_jobs_shop import DAY

from spark_jobs import ease
from spark_jobs.matrix import Matrix

TASTES = {"a": ["a1", "a2", "a3", "a4"], "b": ["b1", "b2", "b3", "b4"]}


def shop(more=()) -> tuple[list[dict], list[dict]]:
    """Ten users buy all of a1–a4, ten all of b1–b4, and whoever `more` names; every item sells as well as the others."""
    bought = [(f"{taste}-user-{n}", item, 0.0) for taste, items in TASTES.items() for n in range(10) for item in items]
    rows = [{"user_key": user, "item_id": item, "recency_days": days} for user, item, days in (*bought, *more)]
    items = [{"item_id": item, "purchases": 10.0, "purchases_28": 5.0} for items in TASTES.values() for item in items]
    return rows, items


def scores(frame, rows: list[dict], items: list[dict]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in sorted(ease.transform(DAY, frame("features/user_item", rows), frame("features/item", items)).collect()):
        found.setdefault(row.user_key, {})[row.item_id] = row.score
    return found


def by_the_paper(bought: np.ndarray) -> np.ndarray:
    """Scores by the inverse over the items, as published."""
    inverse = np.linalg.inv(bought.T @ bought + ease.REGULARISATION * np.eye(bought.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return bought @ weights


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_whichever_side_is_inverted_the_scores_are_those_of_the_paper(users, items, seed):
    random = np.random.default_rng(seed)
    bought = (random.random((users, items)) < 0.4) * random.uniform(0.1, 3, (users, items))
    left, right = ease.factors(csr_matrix(bought, dtype=np.float32))
    product = left @ right
    found = product if isinstance(product, np.ndarray) else product.toarray()
    expected = by_the_paper(bought.astype(np.float32).astype(np.float64))
    assert found[bought == 0] == pytest.approx(expected[bought == 0], rel=1e-4, abs=1e-6)


def test_a_taste_is_completed_by_what_the_user_lacks(frame):
    rows, items = shop(more=[("ann", "a1", 1.0), ("ann", "a2", 1.0)])
    found = scores(frame, rows, items)
    assert set(found["ann"]) == {"a3", "a4"}  # the other taste scores zero
    assert "a-user-0" not in found  # who has all of a taste


def test_a_purchase_fades(frame):
    rows, items = shop(more=[("ann", "a1", 0.0), ("bob", "a1", float(ease.FADING_DAYS))])
    found = scores(frame, rows, items)
    assert found["bob"]["a2"] / found["ann"]["a2"] == pytest.approx(exp(-1), rel=0.01)


def test_what_sells_of_late_stands_higher(frame):
    rows, items = shop(more=[("ann", "a1", 0.0)])
    items = [row | {"purchases_28": 9.0} if row["item_id"] == "a3" else row for row in items]
    found = scores(frame, rows, items)["ann"]
    assert found["a3"] / found["a2"] == pytest.approx((10 / 6) ** ease.DEMAND_POWER)


def test_of_a_matrix_with_two_long_sides_the_items_with_most_buyers_are_scored(monkeypatch):
    monkeypatch.setattr(ease, "LARGEST", 2)
    bought = csr_matrix(np.array([[1, 0, 2], [0, 1, 2], [0, 1, 0]], np.float32))
    kept = ease.most_bought(Matrix(np.array(["u", "v", "w"]), np.array(["a", "b", "c"]), bought))
    assert kept.items.tolist() == ["b", "c"]
    assert kept.weights.toarray().tolist() == [[0, 2], [1, 2], [1, 0]]
    small = Matrix(np.array(["u", "v"]), np.array(["a", "b", "c"]), csr_matrix(bought[:2]))
    assert ease.most_bought(small) is small
