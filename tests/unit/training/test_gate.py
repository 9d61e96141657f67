"""The gate lets only better models through."""

import numpy as np
import polars as pl

from training import gate, metrics

USERS, ITEMS = 300, 40


def truth() -> metrics.Truth:
    draw = np.random.default_rng(1)
    rows = [(f"u{user:03}", f"i{item:02}") for user in range(USERS) for item in draw.choice(20, 5, replace=False)]
    item = pl.DataFrame({"item_id": [f"i{n:02}" for n in range(ITEMS)], "purchases": 9.0})
    return metrics.truth(pl.DataFrame(rows, schema=["user_key", "item_id"], orient="row"), item)


def lists(first: int, seed: int) -> pl.DataFrame:
    """Ten items for everybody, drawn from those from `first` on: the larger, the worse."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"u{user:03}", f"i{item:02}", rank)
        for user in range(USERS)
        for rank, item in enumerate(draw.choice(np.arange(first, first + 20), 10, replace=False), 1)
    ]
    return pl.DataFrame(rows, schema=["user_key", "item_id", "rank"], orient="row")


def test_a_better_challenger_is_promoted():
    verdict = gate.decide(gate.compare("all", lists(0, 1), {"champion": lists(15, 2)}, truth()))
    assert verdict.promoted
    assert verdict.comparisons[0].difference.low > 0


def test_a_worse_challenger_is_refused_and_the_reason_names_the_rival():
    verdict = gate.decide(gate.compare("all", lists(15, 1), {"popularity": lists(20, 3), "champion": lists(0, 2)}, truth()))
    assert not verdict.promoted
    assert "champion" in verdict.reason and "popularity" not in verdict.reason


def test_an_equal_challenger_is_refused():
    same = lists(0, 1)
    verdict = gate.decide(gate.compare("all", same, {"champion": same}, truth()))
    assert not verdict.promoted
    assert verdict.comparisons[0].difference == metrics.Estimate(0.0, 0.0, 0.0)


def test_the_first_model_of_a_shop_must_only_be_no_worse():
    same = lists(0, 1)
    even = gate.decide(gate.compare("all", same, {"popularity": same, "als": lists(15, 2)}, truth()), is_first=True)
    assert even.promoted and even.reason == "the first, no worse than any rule"
    worse = gate.decide(gate.compare("all", lists(15, 1), {"popularity": same, "als": lists(15, 2)}, truth()), is_first=True)
    assert not worse.promoted
    assert "popularity" in worse.reason and "als" not in worse.reason


def test_nothing_to_compare_by_is_a_refusal():
    assert not gate.decide([]).promoted
