"""The sources that learn from what is bought together, by users and in baskets."""

from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from spark_jobs_shop import DAY, TINY_SHOP

from spark_jobs import co_purchase, item_cf, neighbours
from spark_jobs.bm25 import K1, bm25
from spark_jobs.history import purchase_history
from spark_jobs.matrix import largest
from spark_jobs.neighbours import nearest


def lists(frame) -> dict[str, list[tuple[str, float]]]:
    """Each user's items and scores from rank 1."""
    rows = sorted((row.user_key, row.rank, row.item_id, row.score) for row in frame.collect())
    assert all(rank == 1 + sum(other[0] == user and other[1] < rank for other in rows) for user, rank, _, _ in rows)
    return {user: [(item, score) for key, _, item, score in rows if key == user] for user, *_ in rows}


def pairs(*triples) -> list[dict]:
    return [{"user_key": user, "item_id": item, "purchases": n, "decayed_visits": n} for user, item, n in triples]


def two_tastes() -> list[dict]:
    """Ten users buy all of a1–a4, ten all of b1–b4; `ann` has only a1 and a2, `bob` only b1 and b2."""
    groups = [(f"{taste}-user-{n}", f"{taste}{item}", 2.0) for taste in "ab" for n in range(10) for item in range(1, 5)]
    return pairs(*groups, ("ann", "a1", 2.0), ("ann", "a2", 2.0), ("bob", "b1", 2.0), ("bob", "b2", 2.0))


def test_a_taste_is_completed(frame):
    found = lists(item_cf.transform(DAY, frame("features/user_item", two_tastes())))
    assert {item for item, _ in found["ann"][:2]} == {"a3", "a4"}
    assert {item for item, _ in found["bob"][:2]} == {"b3", "b4"}
    assert not {"a1", "a2"} & {item for item, _ in found["ann"]}


def test_the_order_and_the_partitions_of_the_rows_change_nothing(frame):
    rows = two_tastes()
    first, second = (
        sorted(item_cf.transform(DAY, frame("features/user_item", given).repartition(parts)).collect())
        for given, parts in ((rows, 1), (rows[::-1], 3))
    )
    assert first
    assert first == second


def test_bm25_by_hand():
    weights = bm25(csr_matrix(np.array([[1.0, 1.0], [0.0, 2.0]]))).toarray()
    # Both users have length 2, the mean, so the damping is K1; of two users, one bought item 0 and two item 1.
    assert weights[0, 0] == pytest.approx((log(2 / 2) + 1) * 1 * (K1 + 1) / (1 + K1))
    assert weights[1, 1] == pytest.approx((log(2 / 3) + 1) * 2 * (K1 + 1) / (2 + K1))
    assert weights[1, 0] == 0


def test_nearest_are_products_without_the_row_itself(spark, monkeypatch):
    monkeypatch.setattr(neighbours, "ROWS_PER_BLOCK", 2)
    weights = csr_matrix(np.array([[1, 2, 0], [0, 1, 3]], np.float32))
    assert nearest(spark, csr_matrix(weights.T), weights, 1).toarray().tolist() == [[0, 2, 0], [0, 0, 3], [0, 3, 0]]


def test_of_a_row_with_everything_the_largest_entries_count(spark, monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_SHARED", 2)
    weights = csr_matrix(np.array([[1, 2, 3], [1, 0, 0]], np.float32))  # the first user has every item
    found = nearest(spark, csr_matrix(weights.T), weights, 3).toarray()
    assert found.tolist() == [[0, 2, 3], [0, 0, 6], [0, 6, 0]]  # nothing leads to the first item, the user's smallest


def test_largest_keeps_the_first_columns_of_equal_entries():
    matrix = csr_matrix(np.array([[1, 5, 3, 3, 3], [0, -1, 0, 2, 0], [0, 0, 0, 0, 0]], np.float32))
    assert largest(matrix, 3).toarray().tolist() == [[0, 5, 3, 3, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 0]]


def test_item_cf_by_hand(frame):
    rows = frame("features/user_item", pairs(("u1", "a", 1.0), ("u1", "b", 1.0), ("u2", "a", 1.0), ("u2", "c", 1.0)))
    found = lists(item_cf.transform(DAY, rows))
    # All lengths are 2 and all counts 1, so a weight is the rarity: ln(2/3) + 1 of a, ln(2/2) + 1 of b and c.
    # From a, u1 reaches c through u2: the product of their weights, times ln(1 + decayed visits) of a.
    assert found == {
        "u1": [("c", pytest.approx(log(2) * (log(2 / 3) + 1) * 1))],
        "u2": [("b", pytest.approx(log(2) * (log(2 / 3) + 1) * 1))],
    }


def test_baskets_fade_with_their_age(frame):
    history = purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2)
    found = co_purchase.baskets(DAY, history, np.array(["jam", "milk"])).toarray()
    days = {1: 80.5, 2: 30.5, 3: 20.5, 4: 10.5}  # since ann's visits: milk; milk and tea; jam; milk
    faded = {visit: exp(-age / co_purchase.TIME_CONSTANT_DAYS) for visit, age in days.items()}
    bob = exp(-1.5 / co_purchase.TIME_CONSTANT_DAYS)
    expected = [[0, faded[1]], [0, faded[2]], [faded[3], 0], [0, faded[4]], [bob, bob]]
    assert np.array(sorted(found.tolist())) == pytest.approx(np.array(sorted(expected)))


def test_closeness_is_a_confidence_tempered_by_popularity(spark):
    prior, power = co_purchase.PRIOR_VISITS, co_purchase.POPULARITY_EXPONENT
    # Two visits of today: one with a and b, one with a, b and c, which counts for 1 / √2.
    found = co_purchase.closeness(spark, csr_matrix(np.array([[1, 1, 0], [1, 1, 1]], np.float32))).toarray()
    assert found[0, 1] == pytest.approx((1 + 1 / sqrt(2)) / (2 + prior) / (2 + prior) ** power)
    assert found[0, 2] == pytest.approx(1 / sqrt(2) / (2 + prior) / (1 + prior) ** power)
    assert found[2, 0] == pytest.approx(1 / sqrt(2) / (1 + prior) / (2 + prior) ** power)
    assert found.diagonal().tolist() == [0, 0, 0]


def test_co_purchase_names_what_lies_in_the_baskets_of_what_the_user_buys(frame):
    history = purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2)
    rows = frame("features/user_item", pairs(("ann", "milk", 1.0), ("ann", "tea", 1.0), ("bob", "jam", 1.0)))
    found = lists(co_purchase.transform(DAY, history, rows))
    # Tea was bought only with milk, milk with jam and tea. Ann, who has milk here but not jam, is led to jam by bob's basket.
    assert [item for item, _ in found["ann"]] == ["jam"]
    assert [item for item, _ in found["bob"]] == ["milk"]
