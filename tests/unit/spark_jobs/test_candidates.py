"""The candidate sources and their union."""

from itertools import pairwise
from math import log

import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP

from spark_jobs import als, candidates, item_cf, popular
from spark_jobs.history import candidate_catalogue, purchase_history
from spark_jobs.matrix import user_item_matrix


def lists(frame) -> dict[str, list[str]]:
    """Each user's items from rank 1; fails when ranks have holes or scores rise."""
    found: dict[str, list[tuple]] = {}
    for row in frame.collect():
        found.setdefault(row.user_key, []).append((row.rank, row.item_id, row.score))
    for entries in found.values():
        entries.sort()
        assert [rank for rank, _, _ in entries] == list(range(1, len(entries) + 1))
        assert all(higher[2] >= lower[2] for higher, lower in pairwise(entries))
    return {user: [item for _, item, _ in entries] for user, entries in found.items()}


def pairs(*triples) -> list[dict]:
    return [
        {"user_key": user, "item_id": item, "purchases": n, "decayed_visits": n, "decayed_days": n, "recency_days": 1.0}
        for user, item, n in triples
    ]


def two_tastes() -> list[dict]:
    """Ten users buy all of a1–a4, ten all of b1–b4; `ann` has only a1 and a2, `bob` only b1 and b2."""
    groups = [(f"{taste}-user-{n}", f"{taste}{item}", 2.0) for taste in "ab" for n in range(10) for item in range(1, 5)]
    return pairs(*groups, ("ann", "a1", 2.0), ("ann", "a2", 2.0), ("bob", "b1", 2.0), ("bob", "b2", 2.0))


def test_matrix_is_in_the_order_of_the_ids(frame):
    rows = frame("features/user_item", pairs(("u2", "b", 3.0), ("u1", "b", 2.0), ("u2", "a", 1.0)))
    matrix = user_item_matrix(rows.withColumnRenamed("purchases", "weight"))
    assert (matrix.users.tolist(), matrix.items.tolist()) == (["u1", "u2"], ["a", "b"])
    assert matrix.weights.toarray().tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize("source", [als, item_cf])
def test_collaborative_sources_complete_a_taste(frame, source):
    found = lists(source.transform(DAY, frame("features/user_item", two_tastes())))
    assert set(found["ann"][:2]) == {"a3", "a4"}
    assert set(found["bob"][:2]) == {"b3", "b4"}
    assert not {"a1", "a2"} & set(found["ann"])


def test_als_gives_the_same_scores_again(frame):
    rows = frame("features/user_item", two_tastes())
    first, second = (sorted(als.transform(DAY, rows).collect()) for _ in range(2))
    assert first
    assert first == second


def test_popular_shrinks_a_band_towards_everyone(frame, monkeypatch):
    monkeypatch.setattr(popular, "PRIOR_USERS", 2)
    history = purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2)
    catalogue = candidate_catalogue(frame("items", ITEMS), history, minimum_purchases=1)
    users = frame("users", [{"user_key": "ann", "income_band": "high"}])
    rows = {(row.user_key, row.item_id): row.score for row in popular.transform(DAY, history, catalogue, users).collect()}
    # Milk and jam were bought by both in the last 28 days; tea by nobody, its only purchase is 30 days old.
    assert rows == {
        ("bob", "jam"): 1, ("bob", "milk"): 1,
        ("ann", "jam"): 1, ("ann", "milk"): 1,
    }  # fmt: skip
    without_jam = [event for event in TINY_SHOP if (event["user_key"], event["item_id"]) != ("bob", "jam")]
    alone = purchase_history(frame("interactions", without_jam), DAY, partitions=2)
    rows = {(row.user_key, row.item_id): row.score for row in popular.transform(DAY, alone, catalogue, users).collect()}
    assert rows["bob", "jam"] == pytest.approx(1 / 2)  # one of two users
    assert rows["ann", "jam"] == pytest.approx((1 + 2 * 1 / 2) / (1 + 2))  # the band's one of one, and two like everyone


def scored(frame, source: str, *rows: tuple):
    names = ("user_key", "item_id", "rank", "score")
    return frame(f"candidates/{source}", [dict(zip(names, row, strict=True)) for row in rows])


def test_union_has_one_row_per_pair_with_nulls_where_a_source_is_silent(frame):
    union = candidates.transform(
        DAY,
        frame("features/user_item", pairs(("ann", "milk", 1.0), ("ann", "salt", 1.0))),  # no source names salt
        buy_again=scored(frame, "buy_again", ("ann", "milk", 1, 2.5)),
        als=scored(frame, "als", ("ann", "tea", 1, 0.5), ("ann", "jam", 2, 0.25)),
        item_cf=scored(frame, "item_cf", ("ann", "jam", 1, 7.0), ("bob", "tea", 1, 8.0)),
        popular=scored(frame, "popular", ("ann", "milk", 1, 0.75)),
    )
    rows = {(row.user_key, row.item_id): row.asDict() for row in union.collect()}
    assert set(rows) == {("ann", "milk"), ("ann", "tea"), ("ann", "jam"), ("bob", "tea")}
    fused = 0.5 * log(300 / 22) + 0.1 * log(300 / 21)  # second of ALS, first of item_cf
    assert rows["ann", "jam"] == {
        "user_key": "ann", "item_id": "jam", "buy_again_rank": None, "buy_again_score": None, "als_rank": 2,
        "als_score": 0.25, "item_cf_rank": 1, "item_cf_score": 7.0, "popular_rank": None, "popular_score": None,
        "fused_score": pytest.approx(fused),
    }  # fmt: skip
    assert (rows["ann", "milk"]["buy_again_rank"], rows["ann", "milk"]["popular_score"]) == (1, 0.75)


def test_union_keeps_all_own_items_and_the_best_new_ones(frame, monkeypatch):
    monkeypatch.setattr(candidates, "UNION_SIZE", 2)
    union = candidates.transform(
        DAY,
        frame("features/user_item", pairs(("ann", "milk", 1.0), ("ann", "salt", 1.0))),
        buy_again=scored(frame, "buy_again", ("ann", "milk", 1, 2.5), ("ann", "salt", 2, 0.5)),
        als=scored(frame, "als", ("ann", "tea", 1, 0.5), ("ann", "jam", 2, 0.25), ("bob", "jam", 1, 0.5)),
        item_cf=scored(frame, "item_cf", ("ann", "rice", 1, 9.0), ("ann", "jam", 2, 7.0), ("bob", "tea", 1, 1.0)),
    )
    # Jam, second of both, stands before tea, the first of ALS; rice, the first of item_cf alone, is cut.
    named = {user: {row.item_id for row in union.collect() if row.user_key == user} for user in ("ann", "bob")}
    assert named == {"ann": {"milk", "salt", "jam", "tea"}, "bob": {"jam", "tea"}}


def test_equal_candidates_are_cut_in_the_order_of_their_ids(frame, monkeypatch):
    monkeypatch.setattr(candidates, "UNION_SIZE", 1)
    for rows in ([("ann", "b", 1, 1.0), ("ann", "a", 1, 1.0)], [("ann", "a", 1, 1.0), ("ann", "b", 1, 1.0)]):
        union = candidates.transform(DAY, frame("features/user_item", []), als=scored(frame, "als", *rows))
        assert [row.item_id for row in union.collect()] == ["a"]
