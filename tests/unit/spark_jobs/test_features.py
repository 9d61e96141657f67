"""The history and the features, against values worked out by hand."""

from math import exp

import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, at, purchase

from spark_jobs import item_features, sequences, user_features, user_item_features, user_subcategory_features
from spark_jobs.history import candidate_catalogue, purchase_history


@pytest.fixture(scope="module")
def history(frame):
    return purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2).persist()


@pytest.fixture(scope="module")
def catalogue(frame, history):
    return candidate_catalogue(frame("items", ITEMS), history, minimum_purchases=1).persist()


def by_key(frame, *keys):
    return {tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: row.asDict() for row in frame.collect()}


def test_history_knows_the_place_of_each_purchase(history):
    rows = by_key(history, "user_key", "item_id", "visit")
    assert len(rows) == len(TINY_SHOP)
    first, second, last = (rows["ann", "milk", visit] for visit in (1, 2, 4))
    assert [row["visits_since"] for row in (first, second, last)] == [3, 2, 0]
    assert [row["is_last"] for row in (first, second, last)] == [False, False, True]
    assert first["previous_ts"] is None
    assert second["previous_ts"] == first["event_ts"]
    assert last["previous_ts"] == second["event_ts"]


def test_history_takes_purchases_of_items_only_and_one_row_per_visit_and_item(frame):
    events = [
        purchase("ann", "milk", "03-01 08:00", "s1", quantity=2, value=4),
        purchase("ann", "milk", "03-01 08:05", "s1", quantity=1, value=2),
        purchase("ann", "tea", "03-01 09:00", "s1", event_type="view"),
        purchase("ann", None, "03-01 09:00", "s1"),
        purchase("ann", "tea", "03-02 09:00", quantity=None) | {"session_id": None},
        purchase("ann", "jam", "03-02 10:00") | {"session_id": None},
    ]
    rows = by_key(purchase_history(frame("interactions", events), DAY, partitions=2), "item_id")
    assert set(rows) == {"milk", "tea", "jam"}
    assert (rows["milk"]["quantity"], rows["milk"]["value"], rows["milk"]["visit"]) == (3, 6, 1)
    assert rows["milk"]["event_ts"].replace(tzinfo=None) == at("03-01 08:00").replace(tzinfo=None)
    assert rows["tea"]["visit"] == rows["jam"]["visit"] == 2  # without a session, a day is one visit
    assert rows["tea"]["quantity"] == 1


def test_catalogue_holds_available_items_bought_often_enough(frame, history):
    items = frame("items", ITEMS)
    assert {row.item_id for row in candidate_catalogue(items, history, 1).collect()} == {"milk", "tea", "jam"}
    assert {row.item_id for row in candidate_catalogue(items, history, 2).collect()} == {"milk", "jam"}
    bought_but_gone = purchase_history(frame("interactions", [purchase("ann", "gone", "03-01")]), DAY, 2)
    assert candidate_catalogue(items, bought_but_gone, 1).count() == 0


def test_user_features(history):
    ann = by_key(user_features.transform(DAY, history), "user_key")["ann"]
    assert ann == {
        "user_key": "ann",
        "purchases": 5,
        "visits": 4,
        "items": 3,
        "recency_days": 10.5,  # from noon of 21 March to the end of 31 March
        "gap_days": pytest.approx(70 / 3),  # four visits over 70 days
        "basket_items": 1.25,
        "spend_per_visit": 4,
        "visits_28": 2,
        "visits_90": 4,
        "purchases_28": 2,
        "purchases_90": 5,
        "novelty_rate_90": pytest.approx(3 / 5),
    }


def test_user_with_one_visit_has_no_gap(history):
    bob = by_key(user_features.transform(DAY, history), "user_key")["bob"]
    assert (bob["visits"], bob["gap_days"], bob["novelty_rate_90"]) == (1, None, 1)


def test_item_features(frame, history, catalogue):
    context = [
        {"item_id": "milk", "mailer": "front page", "regions": 3},
        {"item_id": "milk", "mailer": "front page", "display": "store front", "regions": 4},
        {"item_id": "jam", "display": "in-aisle", "regions": 2},
    ]
    rows = by_key(item_features.transform(DAY, history, catalogue, frame("item_context", context)), "item_id")
    assert set(rows) == {"milk", "tea", "jam"}
    assert rows["milk"] == {
        "item_id": "milk",
        "purchases": 4,
        "buyers": 2,
        "purchases_7": 1,
        "purchases_28": 2,
        "purchases_90": 4,
        "buyers_28": 2,
        "buyers_90": 2,
        "trend_28_90": pytest.approx((2 / 28) / (4 / 90)),
        "repeat_rate": 0.5,
        "gap_days": 35,  # Ann's gaps are 50 and 20 days
        "recency_days": 1.5,
        "age_days": 80.5,
        "price": 2.5,
        "mailer_regions": 7,
        "display_regions": 4,
    }
    assert rows["jam"]["price"] == 4.5  # no list price: two units for 9
    assert (rows["tea"]["mailer_regions"], rows["tea"]["gap_days"]) == (0, None)


def test_user_item_features(history, catalogue):
    rows = by_key(user_item_features.transform(DAY, history, catalogue), "user_key", "item_id")
    assert set(rows) == {("ann", "milk"), ("ann", "tea"), ("ann", "jam"), ("bob", "milk"), ("bob", "jam")}
    milk = rows["ann", "milk"]
    assert (milk["purchases"], milk["quantity"], milk["visits_since"], milk["recency_days"]) == (3, 4, 0, 10.5)
    assert (milk["gap_days"], milk["gap_std_days"]) == (35, pytest.approx(450**0.5))  # of the gaps 50 and 20
    assert milk["dueness"] == pytest.approx(10.5 / 35)
    assert (milk["purchases_28"], milk["purchases_90"], milk["purchases_182"]) == (1, 3, 3)
    assert milk["decayed_visits"] == pytest.approx(exp(-3 / 25) + exp(-2 / 25) + 1)
    assert milk["decayed_days"] == pytest.approx(exp(-80.5 / 90) + exp(-30.5 / 90) + exp(-10.5 / 90))
    tea = rows["ann", "tea"]
    assert (tea["gap_days"], tea["gap_std_days"], tea["dueness"], tea["visits_since"]) == (None, None, None, 2)


def test_user_item_features_keep_to_the_catalogue(frame, history):
    popular_only = candidate_catalogue(frame("items", ITEMS), history, minimum_purchases=2)
    rows = user_item_features.transform(DAY, history, popular_only).collect()
    assert {row.item_id for row in rows} == {"milk", "jam"}


def test_user_subcategory_features(frame, history):
    rows = by_key(user_subcategory_features.transform(DAY, history, frame("items", ITEMS)), "user_key", "subcategory")
    assert set(rows) == {("ann", "dairy"), ("ann", "drinks"), ("bob", "dairy"), ("bob", "drinks")}
    assert rows["ann", "drinks"] == {
        "user_key": "ann",
        "subcategory": "drinks",
        "purchases": 2,
        "items": 2,
        "recency_days": 20.5,
        "gap_days": 10,
        "dueness": pytest.approx(2.05),
        "purchases_28": 1,
        "purchases_90": 2,
        "decayed_visits": pytest.approx(exp(-2 / 25) + exp(-1 / 25)),
    }


def test_sequences_are_in_order_and_end_with_the_last_purchase(history):
    ann = by_key(sequences.transform(DAY, history), "user_key")["ann"]
    assert ann["item_ids"] == ["milk", "milk", "tea", "jam", "milk"]
    assert ann["session_ids"] == ["ann-01-10", "ann-03-01", "ann-03-01", "ann-03-11", "ann-03-21"]
    assert len(ann["event_ts"]) == 5
    assert ann["event_ts"] == sorted(ann["event_ts"])


def test_sequences_keep_the_last_purchases(history, monkeypatch):
    monkeypatch.setattr(sequences, "LENGTH", 2)
    rows = by_key(sequences.transform(DAY, history), "user_key")
    assert rows["ann"]["item_ids"] == ["jam", "milk"]
    assert rows["bob"]["item_ids"] == ["jam", "milk"]


def test_the_last_minute_of_the_date_counts_and_the_next_does_not(frame):
    events = [*TINY_SHOP, purchase("ann", "tea", "03-31 23:59"), purchase("ann", "tea", "04-01 00:00", "other")]
    history = purchase_history(frame("interactions", events), DAY, partitions=2)
    ann = by_key(user_features.transform(DAY, history), "user_key")["ann"]
    assert (ann["visits"], ann["purchases"]) == (5, 6)
    assert ann["recency_days"] == pytest.approx(1 / (24 * 60))
