"""Measures against values worked out by hand."""

import math

import numpy as np
import polars as pl
import pytest

from training import metrics

ITEM = pl.DataFrame({"item_id": ["a", "b", "c", "d", "rare"], "purchases": [8.0, 4.0, 2.0, 2.0, 4.0]}).with_columns(
    purchases=pl.when(pl.col("item_id") == "rare").then(1.0).otherwise(pl.col("purchases"))
)
PURCHASES = pl.DataFrame({"user_key": ["u", "u", "u", "u", "v"], "item_id": ["a", "a", "c", "rare", "b"]})


def ranked(**lists: str) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema=["user_key", "item_id", "rank"], orient="row")


def test_truth_is_distinct_catalogue_items_and_new_leaves_out_the_bought():
    everything = metrics.truth(PURCHASES, ITEM, minimum=2)
    assert everything.pairs.rows() == [("u", "a"), ("u", "c"), ("v", "b")]
    new = metrics.truth(PURCHASES, ITEM, pl.DataFrame({"user_key": ["u"], "item_id": ["a"]}), minimum=2)
    assert new.pairs.rows() == [("u", "c"), ("v", "b")]


def test_ndcg_recall_hit_rate_and_novelty_by_hand():
    truth = metrics.truth(PURCHASES, ITEM, minimum=2)
    table = metrics.per_user(ranked(u="bacd", v="ac"), truth, k=3)
    u, v = table.rows(named=True)
    gain, ideal = 1 / math.log2(3) + 1 / math.log2(4), 1 + 1 / math.log2(3)  # hits at 2 and 3; two items: ideal 1 and 2
    assert u["ndcg"] == pytest.approx(gain / ideal)
    assert (u["recall"], u["hit_rate"]) == (1.0, 1.0)
    assert u["novelty"] == pytest.approx((-math.log2(4 / 16) - math.log2(8 / 16) - math.log2(2 / 16)) / 3)
    assert (v["ndcg"], v["recall"], v["hit_rate"]) == (0.0, 0.0, 0.0)


def test_the_ideal_list_holds_no_more_than_k():
    truth = metrics.truth(PURCHASES, ITEM, minimum=2)
    assert metrics.per_user(ranked(u="a"), truth, k=1)["ndcg"].to_list() == [1.0, 0.0]  # v has no list: zero, not left out


def test_coverage_counts_catalogue_items_only():
    truth = metrics.truth(PURCHASES, ITEM, minimum=2)
    assert metrics.coverage(pl.concat([ranked(u="ab"), ranked(v=["a", "rare"])]), truth, k=2) == pytest.approx(2 / 4)


def test_bootstrap_interval_has_the_standard_error():
    values = np.random.default_rng(0).normal(0.4, 0.2, 2000)
    estimate = metrics.interval(values)
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(2000), rel=0.1)
    assert metrics.interval(values) == estimate


def test_auc_by_hand_with_ties():
    scores, labels = np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0])
    estimate = metrics.auc(scores, labels, np.array([0, 0, 1, 1]))
    assert estimate.value == pytest.approx(3.5 / 4)


def test_precision_f1_and_reciprocal_rank_by_hand():
    truth = metrics.truth(PURCHASES, ITEM, minimum=2)
    u, v = metrics.per_user(ranked(u="bac", v="b"), truth, k=3).rows(named=True)
    assert u["precision"] == pytest.approx(2 / 3)  # a and c of three
    assert u["f1"] == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))  # recall 1
    assert u["mrr"] == pytest.approx(1 / 2)
    assert v["precision"] == pytest.approx(1 / 3)  # a list of one, still over three
    assert v["f1"] == pytest.approx(2 * (1 / 3) * 1 / (1 / 3 + 1))
    assert v["mrr"] == 1.0
    nothing = metrics.per_user(ranked(u="d"), truth, k=3)
    assert nothing.select("precision", "f1", "mrr").rows() == [(0.0, 0.0, 0.0)] * 2  # no hit, and no list


def test_diversity_is_the_share_of_pairs_of_different_categories():
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "category": ["x", "x", "y", None]})
    lists = ranked(u="abcd", v="ab", w="ad", z="abc")
    found = dict(metrics.diversity(lists, items, k=4).rows())
    assert found == {"u": pytest.approx(2 / 3), "v": 0.0, "z": pytest.approx(2 / 3)}  # w: one item with a category
    assert dict(metrics.diversity(lists, items, k=2).rows())["z"] == 0.0


def test_concentration_by_hand():
    truth = metrics.truth(PURCHASES, ITEM, minimum=2)  # a catalogue of four
    everything = ranked(u="abcd")
    assert metrics.concentration(everything, truth, k=4) == pytest.approx(0)
    same = pl.concat([ranked(u="a"), ranked(v="a")])
    assert metrics.concentration(same, truth, k=1) == pytest.approx(3 / 4)  # one item has all: (n - 1) / n
    assert metrics.concentration(pl.concat([same, ranked(w="b")]), truth, k=1) == pytest.approx((3 * 2 + 1 * 1) / (4 * 3))


def test_the_auc_difference_is_paired():
    users = np.repeat(np.arange(50), 4)
    labels = np.tile([1, 0, 0, 0], 50)
    scores = np.random.default_rng(0).random(200) + labels
    same = metrics.auc_difference((scores, labels, users), (scores * 2, labels, users))
    assert same == metrics.Estimate(0.0, 0.0, 0.0)
    better = metrics.auc_difference((scores, labels, users), (-scores, labels, users))
    own = metrics.auc(scores, labels, users)
    assert better.value == pytest.approx(2 * own.value - 1)
    assert better.low == pytest.approx(2 * own.low - 1)
