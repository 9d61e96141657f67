"""The history and the features, against values worked out by hand."""

import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, at, purchase

from spark_jobs import sequences
from spark_jobs.history import candidate_catalogue, purchase_history


@pytest.fixture(scope="module")
def history(frame):
    return purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2).persist()


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
    ann = by_key(sequences.transform(DAY, history), "user_key")["ann"]
    assert len(ann["item_ids"]) == 6
    assert f"{ann['event_ts'][-1]:%m-%d %H:%M}" == "03-31 23:59"
