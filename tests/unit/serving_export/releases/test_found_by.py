"""The sources of listed items, from the union of candidates."""

import polars as pl

from cartwheel.contracts import CANDIDATE_SOURCES
from serving_export.releases.found_by import found_by


def test_every_listed_item_once_with_all_that_named_it():
    release = pl.DataFrame({"user_key": ["u", "u", "u", "v"], "item_id": ["b", "a", "b", "a"], "list": ["x", "x", "y", "x"]})
    ranks = {"u": {"a": {"als": 3, "buy_again": 1}, "c": {"als": 1}}, "v": {"a": {"popular": 9}}}
    rows = [
        {"user_key": user, "item_id": item} | {f"{source}_rank": named.get(source) for source in CANDIDATE_SOURCES}
        for user, items in ranks.items()
        for item, named in items.items()
    ]
    found = found_by(release, pl.DataFrame(rows, infer_schema_length=None))
    assert found.rows() == [("u", ["a", "b"], ["buy_again,als", ""]), ("v", ["a"], ["popular"])]
