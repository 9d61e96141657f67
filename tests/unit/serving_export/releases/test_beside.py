"""What a request's context is told of an item."""

import json

import polars as pl

from serving_export.releases.beside import _contexts, _similar
from serving_export.releases.packing import Item, unpack


def test_similar_items_are_packed_by_rank() -> None:
    rows = {"item_id": ["a", "b", "a"], "rank": [2, 1, 1], "similar_id": ["c", "a", "b"], "score": [0.25, 0.5, 0.5]}
    table = _similar(pl.DataFrame(rows))
    assert table["name"].to_pylist() == ["a", "b"]
    why = "Bought by the same people"
    assert unpack(table["payload"][0].as_py()) == [Item("b", 0.5, why), Item("c", 0.25, why)]


def test_small_lifts_are_left_out() -> None:
    lifts = pl.DataFrame(
        [("region", "north", "a", 0.3), ("region", "south", "a", 0.05), ("part_of_day", "09-12", "a", -0.2)],
        schema=["context", "value", "item_id", "log_lift"], orient="row",
    )  # fmt: skip
    table = _contexts(lifts, pl.DataFrame({"item_id": ["a", "b"], "category": ["tea", None]}))
    assert [json.loads(payload) for payload in table["payload"].to_pylist()] == [
        {"category": "tea", "lifts": {"part_of_day=09-12": -0.2, "region=north": 0.3}},
        {"category": None, "lifts": {}},
    ]
