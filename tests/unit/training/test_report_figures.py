"""The figures of a report against values worked out by hand: see tests/report_samples.py."""

from dataclasses import replace
from math import log2

import polars as pl
import pytest
from report_samples import BEST, DEPARTMENT, WORST, scores, window

from training import metrics
from training.report_figures import CHALLENGER, CHAMPION, Figures, kept, labelled, measure, truths


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure(window(), {CHALLENGER: BEST, CHAMPION: WORST})


def value(estimates: dict[str, metrics.Estimate]) -> dict[str, float]:
    return {name: estimate.value for name, estimate in estimates.items()}


def test_the_lists_of_all_items(figures):
    view = figures.views["all"]
    assert view.users == 3
    assert list(view.lists)[:2] == [CHALLENGER, CHAMPION] and {"popularity", "buy_again_visits", "als"} < set(view.lists)
    own = value(view.lists[CHALLENGER])
    assert own["ndcg"] == pytest.approx((1 + 1 + 0) / 3)  # w has no list
    assert own["hit_rate"] == own["recall"] == own["mrr"] == pytest.approx(2 / 3)
    assert own["precision"] == pytest.approx((0.2 + 0.1) / 3)
    assert own["f1"] == pytest.approx((2 * 2 / 12 + 2 * 1 / 11) / 3)
    assert own["diversity"] == pytest.approx(5 / 6)  # of six pairs, one is within a category
    assert (own["coverage"], own["concentration"]) == (1.0, 0.0)


def test_new_items_leave_out_what_was_bought_before(figures):
    view = figures.views["new"]
    assert view.users == 2  # u, for c, and w, for d; v bought b again
    assert value(view.lists[CHALLENGER])["ndcg"] == pytest.approx(1 / 2)
    assert "buy_again_visits" not in view.lists


def test_the_change_is_challenger_less_champion(figures):
    worst = 1 / log2(4) + 1 / log2(5)  # u's two in the places 3 and 4
    change = value(figures.views["all"].change)
    assert change["ndcg"] == pytest.approx((1 - worst / (1 + 1 / log2(3)) + 1 - 1 / log2(5)) / 3)
    assert change["mrr"] == pytest.approx((1 - 1 / 3 + 1 - 1 / 4) / 3)
    assert change["recall"] == 0.0
    assert figures.auc_change is not None and figures.auc_change.value == pytest.approx(1.0)
    assert figures.kept is not None and figures.kept.tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]


def test_the_scores_of_both_models(figures):
    assert {name: found.auc.value for name, found in figures.scores.items()} == {CHALLENGER: 1.0, CHAMPION: 0.0}
    assert figures.scores[CHALLENGER].rows == 8
    assert figures.scores[CHALLENGER].calibration_error < figures.scores[CHAMPION].calibration_error


def test_segments_of_users(figures):
    found = {segment.group.name: segment for segment in figures.segments if segment.group.kind == "users"}
    assert {name: (s.users, s.pairs) for name, s in found.items()} == {"new": (1, 1), "light": (1, 2), "heavy": (1, 1)}
    assert {name: s.ndcg[CHALLENGER].value for name, s in found.items()} == {"new": 0.0, "light": 1.0, "heavy": 1.0}
    heavy = found["heavy"].change
    assert heavy is not None and heavy.value == pytest.approx(1 - 1 / log2(5))


def test_a_group_of_items_is_ranked_alone(figures):
    found = {segment.group.name: segment for segment in figures.segments if segment.group.kind != "users"}
    tail = found["tail"]
    assert (tail.users, tail.pairs) == (2, 2)  # u and w
    assert tail.ndcg[CHALLENGER].value == pytest.approx(1 / 2)  # of c and d, c is u's first
    assert tail.ndcg[CHAMPION].value == pytest.approx(1 / log2(3) / 2)
    assert tail.ndcg["buy_again_visits"].value == 0.0  # nobody bought of it before
    assert found[DEPARTMENT].ndcg == tail.ndcg and found["GROCERY"].pairs == found["head"].pairs == 2
    assert tail.measures["coverage"].value == 1.0  # of the tail


def test_without_a_champion_there_is_no_change():
    alone = measure(window(), {CHALLENGER: BEST})
    assert alone.auc_change is None and alone.kept is None
    assert alone.views["all"].change == {} and {segment.change for segment in alone.segments} == {None}


def test_a_window_without_purchases_is_an_error():
    empty = replace(window(), purchases=window().purchases.clear())
    with pytest.raises(ValueError, match="nothing of the catalogue was bought"):
        measure(empty, {CHALLENGER: BEST})


def test_labels_are_of_the_window_and_users_are_numbered_alike():
    truth = truths(window())["all"]
    marked, part = labelled(BEST, truth), labelled(BEST.filter(pl.col("item_id") != "a"), truth)
    assert marked.filter(pl.col("label") == 1)["item_id"].to_list() == ["a", "c", "b"]
    assert dict(marked.select("user_key", "user").rows()) == dict(part.select("user_key", "user").rows()) == {"u": 0, "v": 1}


def test_kept_counts_users_by_what_stayed_in_their_lists():
    old = scores(u=[4, 3, 2, 1], v=[4, 3, 2, 1]).with_columns(rank=5 - pl.col("score")).filter(pl.col("rank") <= 2)
    new = scores(u=[4, 1, 3, 2], v=[1, 2, 3, 4]).with_columns(rank=5 - pl.col("score")).filter(pl.col("rank") <= 2)
    assert kept(new, old).tolist()[:3] == [1, 1, 0]  # v keeps none of a and b, u keeps a
