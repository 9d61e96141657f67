"""The hazard of buying again, against values worked out by hand."""

from datetime import timedelta
from math import exp, log

import numpy as np
import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, purchase

from spark_jobs import buy_again
from spark_jobs.history import candidate_catalogue, end_of, purchase_history


@pytest.fixture(scope="module")
def history(frame):
    return purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2).persist()


def test_pairs_as_they_stood_at_a_moment(history):
    end = end_of(DAY) - timedelta(days=28)  # the first moment of 4 March: Ann has bought milk twice and tea once
    pairs = {(row.user_key, row.item_id): row.asDict() for row in buy_again.known_pairs(history, end).collect()}
    milk, tea = pairs["ann", "milk"], pairs["ann", "tea"]
    assert len(pairs) == 2
    assert (milk["again"], tea["again"]) == (True, False)
    assert (milk["purchases"], milk["recency"]) == (log(2), pytest.approx(log(3.5)))  # bought 2.5 days ago
    assert milk["recency_squared"] == pytest.approx(log(3.5) ** 2)
    # The one gap of milk is 50 days. Its usual gap is (50 + 3 · 40) / 4 = 42.5, and Ann's (50 + 3 · 42.5) / 4 = 44.375.
    assert milk["from_due_squared"] == pytest.approx((log(3.5) - log(45.375)) ** 2)
    assert tea["from_due_squared"] == pytest.approx((log(3.5) - log(41)) ** 2)
    assert (milk["repeats"], tea["repeats"]) == (pytest.approx(log(2 / 4)), pytest.approx(log(1 / 4)))
    assert (milk["recent_share"], tea["recent_share"]) == (1 / 7, 1 / 6)  # of two purchases one is of the 28 days before


def test_the_likeliest_come_first_and_equal_ones_by_id(frame, history, monkeypatch):
    monkeypatch.setattr(buy_again, "fit", lambda features, again: np.array([0.0, 1, 0, 0, 0, 0, 0]))  # the odds are the purchases
    catalogue = candidate_catalogue(frame("items", ITEMS), history, minimum_purchases=1)
    rows = {(row.user_key, row.rank): (row.item_id, row.score) for row in buy_again.transform(DAY, history, catalogue).collect()}
    assert rows["ann", 1] == ("milk", pytest.approx(3 / 4))
    assert (rows["ann", 2], rows["ann", 3]) == (("jam", 0.5), ("tea", 0.5))
    assert (rows["bob", 1], rows["bob", 2]) == (("jam", 0.5), ("milk", 0.5))
    assert len(rows) == 5
    few = candidate_catalogue(frame("items", ITEMS), history, minimum_purchases=2)
    assert {row.item_id for row in buy_again.transform(DAY, history, few).collect()} == {"milk", "jam"}


def test_without_history_the_weights_are_the_prior(frame):
    young = purchase_history(frame("interactions", [purchase("ann", "milk", "03-30")]), DAY, partitions=2)
    features, again = buy_again.sample(young, end_of(DAY) - timedelta(days=28))
    assert features.shape == (0, 7)
    assert buy_again.fit(features, again) == pytest.approx(buy_again.PRIOR)


def test_the_weights_follow_what_was_bought_again(monkeypatch):
    monkeypatch.setattr(buy_again, "PRIOR_WEIGHT", 1e-6)
    features = np.zeros((400, 7))
    features[:, 0] = 1
    features[200:, 1] = 1
    again = np.r_[np.ones(40), np.zeros(160), np.ones(160), np.zeros(40)]  # one of five again, and with the feature four
    weights = buy_again.fit(features, again)
    assert weights[0] == pytest.approx(log(0.2 / 0.8), abs=1e-3)
    assert weights[1] == pytest.approx(log(0.8 / 0.2) - log(0.2 / 0.8), abs=1e-3)
    assert 1 / (1 + exp(-weights[:2].sum())) == pytest.approx(0.8, abs=1e-3)


def test_the_order_of_rows_changes_no_weight(frame):
    events = [purchase(f"u{n % 7}", f"i{n % 5}", f"0{n % 3 + 1}-{n % 27 + 1:02}") for n in range(200)]
    fitted = []
    for rows, partitions in ((events, 2), (events[::-1], 3)):
        history = purchase_history(frame("interactions", rows), DAY, partitions)
        fitted.append(buy_again.fit(*buy_again.sample(history, end_of(DAY) - timedelta(days=28))).tolist())
    assert fitted[0] == fitted[1]
    assert fitted[0] != buy_again.PRIOR.tolist()
