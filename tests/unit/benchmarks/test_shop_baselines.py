"""The rivals on the shop: histories as codes, lists by hand, and LightGBM on the scorer's own rows."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import training_shop

from benchmarks import shop_baselines
from benchmarks.rivals import boosting
from training.train import fit

CUTOFF = date(2017, 9, 7)


def test_histories_hold_the_catalogue_in_order():
    sequences = pl.DataFrame({"user_key": ["ann", "bob"], "item_ids": [["c", "x", "a", "c"], ["x"]]})
    split = shop_baselines.split_of(sequences, pl.DataFrame({"item_id": ["c", "a", "b"]}))
    assert (split.users, split.items) == (["ann", "bob"], ["a", "b", "c"])
    assert [own.tolist() for own in split.sequences] == [[2, 0, 2], []]


def test_lists_of_all_and_of_new_items(monkeypatch):
    monkeypatch.setattr(shop_baselines, "K", 2)
    monkeypatch.setattr(shop_baselines, "USERS_PER_BATCH", 1)
    split = shop_baselines.Split(["ann", "bob"], list("abcd"), [np.array([3]), np.array([0])])
    own = pl.DataFrame({"user_key": ["ann", "bob", "bob"], "item_id": ["d", "a", "z"]})
    lists = shop_baselines.lists_of(lambda histories: np.tile([2.0, 1.0, 3.0, 4.0], (len(histories), 1)), split, own)
    ranked = {view: [(user, item) for user, item, *_ in rows.rows()] for view, rows in lists.items()}
    assert ranked["all"] == [("ann", "d"), ("ann", "c"), ("bob", "d"), ("bob", "c")]
    assert ranked["new"] == [("ann", "c"), ("ann", "a"), ("bob", "d"), ("bob", "c")]


def test_only_purchases_after_the_date_count(tmp_path):
    times = [datetime(2017, 11, 30, 23, 59, tzinfo=UTC), datetime(2017, 12, 1, tzinfo=UTC)]
    file = tmp_path / "purchases.parquet"
    pl.DataFrame({"user_key": ["ann", "ann"], "item_id": ["a", "b"], "event_ts": times}).write_parquet(file)
    assert shop_baselines.bought_after(date(2017, 11, 30), file).rows() == [("ann", "b")]


def test_boosting_learns_the_scorers_labels(monkeypatch):
    """A household buys again within its category: what it had before scores higher than what it never had."""
    monkeypatch.setattr(boosting, "ROUNDS", 20)
    monkeypatch.setitem(boosting.PARAMETERS, "min_data_in_leaf", 5)
    tables, events = {CUTOFF: training_shop.tables(CUTOFF)}, {CUTOFF: training_shop.labels(CUTOFF)}
    ranker, _ = fit(tables, events, encoder_epochs=1, scorer_epochs=1)
    booster = boosting.fit(ranker, tables, events, seed=1, threads=1)
    scores = boosting.scores(booster, ranker, tables[CUTOFF])
    assert len(scores) == training_shop.USERS * training_shop.ITEMS
    assert scores.filter("bought")["score"].min() > scores.filter(~pl.col("bought"))["score"].mean()
    again = boosting.scores(boosting.fit(ranker, tables, events, seed=1, threads=1), ranker, tables[CUTOFF])
    assert again.equals(scores)
