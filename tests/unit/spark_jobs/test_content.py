"""The sources that go by what items are: their terms, and content, trending and new_items on top of them, by hand."""

from math import e, log

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from spark_jobs_shop import DAY

from spark_jobs import content, new_items, terms, trending
from spark_jobs.matrix import Matrix
from spark_jobs.terms import FIELDS, Terms, appeal_shares, item_terms, over_items, profiles

WORDS, CATEGORY = list(FIELDS).index("words"), list(FIELDS).index("category")
TWO_ITEMS = Terms(
    np.array(["a", "b"]),
    csr_matrix(np.array([[1.0, 0, 1], [1, 2, 0]])),
    np.array([WORDS, WORDS, CATEGORY]),
    np.array([1.0, 3.0]),
)


def scores(frame) -> dict[tuple[str, int], tuple[str, float]]:
    return {(row.user_key, row.rank): (row.item_id, pytest.approx(row.score)) for row in frame.collect()}


def test_terms_of_items(frame):
    rows = [
        {"item_id": "b", "title": "red PEAR 2", "description": "not an apple", "subcategory": None},
        {"item_id": "a", "title": "Red apple-red", "subcategory": "fruit"},
    ]
    found = item_terms(frame("items", rows).selectExpr("*", "if(item_id = 'a', 3, 4) as appeal"))
    assert found.items.tolist() == ["a", "b"]
    assert found.appeal.tolist() == [3, 4]
    assert [list(FIELDS)[field] for field in found.fields] == ["words"] * 5 + ["title"] * 2 + ["subcategory", "shop"]
    everywhere, rare = 1, log(2) + 1
    assert found.holds.toarray()[0].tolist() == pytest.approx([everywhere, everywhere, 0, 0, 0, 1, 0, 1, 1])  # red, apple
    assert found.holds.toarray()[1].tolist() == pytest.approx([everywhere, everywhere, rare, rare, rare, 0, 1, 0, 1])


def test_items_without_any_text_have_the_shop_in_common(frame):
    found = item_terms(frame("items", [{"item_id": "a"}, {"item_id": "b"}]).selectExpr("*", "1 as appeal"))
    assert found.holds.toarray().tolist() == [[1], [1]]
    assert [list(FIELDS)[field] for field in found.fields] == ["shop"]


def test_a_profile_shares_out_the_weight_of_each_field():
    found = profiles(csr_matrix(np.array([[1.0, 3.0], [0, 0]])), TWO_ITEMS).toarray()
    # Words: 1 + 3 of the first, 3 · 2 of the second; the one category has all the weight of its field, 2.
    assert found.tolist() == [pytest.approx([0.4, 0.6, 2]), [0, 0, 0]]


def test_items_share_the_appeal_of_a_term():
    assert appeal_shares(TWO_ITEMS).toarray().tolist() == [[0.25, 0.75], [0, 1], [1, 0]]
    without = Terms(TWO_ITEMS.items, TWO_ITEMS.holds, TWO_ITEMS.fields, np.array([1.0, 0.0]))
    assert appeal_shares(without).toarray().tolist() == [[1, 0], [0, 0], [1, 0]]


def test_a_matrix_over_other_items():
    matrix = Matrix(np.array(["u", "v"]), np.array(["b", "c", "x"]), csr_matrix(np.array([[1.0, 2, 3], [0, 0, 4]])))
    found = over_items(matrix, np.array(["a", "b", "c"]))
    assert found.weights.toarray().tolist() == [[0, 1, 2], [0, 0, 0]]
    assert found.items.tolist() == ["a", "b", "c"]


def owned(user: str, item: str, recency: float = 0) -> dict:
    return {"user_key": user, "item_id": item, "decayed_visits": 1, "recency_days": recency}


def test_content_follows_the_kinds_that_a_user_buys(frame):
    kinds = {"milk": "dairy", "cheese": "dairy", "tea": "drinks"}
    catalogue = frame("items", [{"item_id": item, "subcategory": kind} for item, kind in kinds.items()])
    rows = [owned("ann", "milk", content.TIME_CONSTANT_DAYS), owned("bob", "cheese"), owned("bob", "tea")]
    # Of the appeal of dairy, 1 / e + 1, cheese has 1; tea has nothing of it. The shop's is 1 / e + 1 + 1.
    assert scores(content.transform(DAY, frame("features/user_item", rows), catalogue)) == {
        ("ann", 1): ("cheese", 1 / (1 / e + 1) + 1 / (1 / e + 2)),
        ("ann", 2): ("tea", 1 / (1 / e + 2)),
        ("bob", 1): ("milk", 0.5 * (1 / e) / (1 / e + 1) + (1 / e) / (1 / e + 2)),  # dairy is half of what Bob buys
    }


def test_the_rise_of_items(frame):
    rows = [("milk", 6, 15), ("tea", 2, 17), ("jam", 0, 0)]
    features = frame("features/item", [{"item_id": item, "purchases_7": week, "purchases_28": all} for item, week, all in rows])
    found = {row.item_id: row.appeal for row in trending.rise(features).collect()}
    # The shop sold 8 in the week and 24 in the three before: it does not grow. Milk went from 3 a week to 6.
    assert found == {"milk": pytest.approx(6 * ((6 + 5) / (3 + 5) - 1)), "tea": 0, "jam": 0}
    first_week = frame("features/item", [{"item_id": "milk", "purchases_7": 4, "purchases_28": 4}])
    assert [row.appeal for row in trending.rise(first_week).collect()] == [pytest.approx(4 * (9 / 5 - 1))]


def test_trending_names_what_rises_among_the_users_kinds(frame):
    kinds = {"milk": "dairy", "cheese": "dairy", "tea": "drinks"}
    catalogue = frame("items", [{"item_id": item, "subcategory": kind} for item, kind in kinds.items()])
    sold = [{"item_id": item, "purchases_7": week, "purchases_28": 10} for item, week in (("milk", 1), ("cheese", 5), ("tea", 4))]
    rows = [owned("ann", "milk"), owned("bob", "cheese"), owned("bob", "tea")]
    found = trending.transform(DAY, frame("features/user_item", rows), frame("features/item", sold), catalogue)
    # The shop sold 10 in the week and 20 in the three before, 1.5 as much a week. Cheese: 5 instead of 1.5 · 5 / 3, and tea: 4
    # instead of 3, so that their appeal is 5 · (10 / 7.5 - 1) and 4 · (9 / 8 - 1). Milk falls, and nothing is left to Bob.
    cheese, tea = 5 / 3, 1 / 2
    assert scores(found) == {("ann", 1): ("cheese", 1 + cheese / (cheese + tea)), ("ann", 2): ("tea", tea / (cheese + tea))}


def test_new_items_are_those_first_bought_within_28_days(frame):
    ages = {"milk": (80, 9), "tea": (28.5, 9), "jam": (28, 2), "honey": (1, 1)}
    features = frame("features/item", [{"item_id": item, "age_days": age, "buyers": n} for item, (age, n) in ages.items()])
    catalogue = frame("items", [{"item_id": item, "subcategory": "dairy" if item == "milk" else "drinks"} for item in ages])
    rows = frame("features/user_item", [owned("ann", "jam"), owned("ann", "milk"), owned("carl", "tea"), owned("dan", "milk")])
    assert scores(new_items.transform(DAY, rows, features, catalogue)) == {
        ("carl", 1): ("jam", 2 / 3 + 2 / 3),  # two of the three buyers of new drinks, and of anything new
        ("carl", 2): ("honey", 1 / 3 + 1 / 3),
        ("ann", 1): ("honey", 0.5 * 1 / 3 + 1 / 3),  # drinks are half of what Ann buys
        ("dan", 1): ("jam", 2 / 3),
        ("dan", 2): ("honey", 1 / 3),
    }


def test_the_pruning_keeps_the_best(monkeypatch):
    monkeypatch.setattr(terms, "ITEMS_PER_TERM", 1)
    monkeypatch.setattr(terms, "TERMS_PER_USER", 1)
    assert appeal_shares(TWO_ITEMS).toarray().tolist() == [[0, 0.75], [0, 1], [1, 0]]
    assert profiles(csr_matrix(np.array([[1.0, 3.0]])), TWO_ITEMS).toarray().tolist() == [[0, 0, 2]]
