"""The recall benchmark: lists that are fused, counted by hand; the lake of a file; the fit of the weights."""

from math import log

import numpy as np
import polars as pl
import pytest

from benchmarks import recall, recall_lake
from benchmarks.union_weights import fit
from spark_jobs import candidates
from training.metrics import truth


def ranked(*pairs: tuple[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in pairs for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema={"user_key": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row")


@pytest.fixture
def of():
    catalogue = pl.DataFrame({"item_id": list("abcdef"), "purchases": [9] * 6})
    bought = pl.DataFrame({"user_key": ["ann", "ann", "bob"], "item_id": ["a", "b", "c"]})
    return truth(bought, catalogue)


def test_recalls_are_shares_of_each_users_items(of, monkeypatch):
    monkeypatch.setattr(recall, "KS", (1, 2))
    found = recall.recalls(ranked(("ann", ["b", "d", "a"]), ("bob", ["d", "c"])), of)
    assert found[1].tolist() == [1 / 2, 0]
    assert found[2].tolist() == [1 / 2, 1]


def test_own_items_leave_the_lists_and_the_ranks_close_up():
    own = pl.DataFrame({"user_key": ["ann"], "item_id": ["d"]})
    rest = recall.new_only(ranked(("ann", ["b", "d", "a"]), ("bob", ["d"])), own)
    assert sorted(rest.select("user_key", "item_id", "rank").rows()) == [("ann", "a", 2), ("ann", "b", 1), ("bob", "d", 1)]


def test_a_pool_fuses_the_first_ranks_of_its_sources(of, monkeypatch):
    monkeypatch.setattr(recall, "KS", (1, 2))
    monkeypatch.setattr(candidates, "WEIGHTS", {"als": 0.25, "content": 0.3})
    lists = {"als": ranked(("ann", ["d", "a"]), ("bob", ["e", "c"])), "content": ranked(("ann", ["f", "a", "b"]), ("bob", ["d"]))}
    pool = recall.pool_of(lists, {"als": 2, "content": 2}, of)
    assert pool.slopes["als"].max() == pytest.approx(log(300 / 21))
    assert len(pool.user) == 6  # b is the third of its source, which names only two
    # Ann: a, second of both, stands before d and f. Bob: d of content weighs more than e and c of ALS.
    assert {k: values.tolist() for k, values in pool.recalls(["als", "content"]).items()} == {1: [1 / 2, 0], 2: [1 / 2, 0]}
    assert {k: values.tolist() for k, values in pool.recalls(["als"]).items()} == {1: [0, 0], 2: [1 / 2, 1]}


def test_greedy_takes_the_best_source_first_and_then_all_others(of):
    lists = {
        "popular": ranked(("ann", ["d", "e"])),
        "als": ranked(("ann", ["a"]), ("bob", ["c"])),
        "content": ranked(("ann", ["b"])),
    }
    pool = recall.pool_of(lists, dict.fromkeys(lists, 200), of)
    assert recall.greedy(pool) == [["als"], ["als", "content"], ["als", "content", "popular"]]


def test_the_last_item_of_a_line_is_the_truth(tmp_path):
    file = tmp_path / "sequences.txt"
    file.write_text("u1 a b c\nu2 b a\n")
    task = recall_lake.file_task(tmp_path, file)
    assert sorted(task.bought_after.rows()) == [("u1", "c"), ("u2", "a")]
    events = recall_lake.read(task, "interactions", ["user_key", "item_id", "event_ts"]).sort("user_key", "event_ts")
    assert [(user, item, moment.date().isoformat()) for user, item, moment in events.rows()] == [
        ("u1", "a", "2019-12-31"),
        ("u1", "b", "2020-01-01"),
        ("u2", "b", "2020-01-01"),
    ]
    assert "content" not in task.sources
    assert "als" in task.sources


def test_weights_are_those_that_made_the_purchases_and_never_below_zero():
    random = np.random.default_rng(7)
    inputs = random.normal(size=(20_000, 3))
    bought = random.random(20_000) < 1 / (1 + np.exp(2 - inputs @ np.array([1.0, 0.3, -0.5])))
    assert fit(inputs, bought.astype(float)) == pytest.approx([1.0, 0.3, 0.0], abs=0.08)
