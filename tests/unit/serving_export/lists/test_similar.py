"""Items that the same users buy."""

from datetime import date

import polars as pl
import pyarrow as pa
import pytest

from cartwheel.contracts import LAKE_SCHEMAS
from serving_export.lists import similar
from serving_export.lists.similar import build_similar, similar_items

USERS = pa.array(list("abcd"))


def bought(*pairs: tuple[str, str]) -> pa.Table:
    rows = [{"user_key": user, "item_id": item, "purchases": 1} for user, item in pairs]
    return pa.Table.from_pylist(rows, pa.schema({"user_key": pa.string(), "item_id": pa.string(), "purchases": pa.int32()}))


def test_items_with_the_same_buyers_are_nearest() -> None:
    pairs = [(user, item) for user in "ab" for item in ("tea", "milk")] + [(user, "soap") for user in "bc"]
    found = similar_items([bought(*pairs)], USERS, pa.array(["milk", "soap", "tea"]))
    by_item = {item: rows["similar_id"].to_list() for (item,), rows in found.group_by("item_id")}
    assert by_item["tea"] == ["milk", "soap"] and by_item["milk"] == ["tea", "soap"]
    assert found.filter(item_id="tea")["score"][0] == pytest.approx(1)
    assert found.filter(item_id="tea")["rank"].to_list() == [1, 2]
    assert similar_items(map(bought, pairs[::-1]), USERS, pa.array(["milk", "soap", "tea"])).equals(found), "as tables are cut"


def test_items_without_a_buyer_in_common_are_not_alike() -> None:
    pairs = [(user, "tea") for user in "ab"] + [(user, "soap") for user in "cd"]
    assert similar_items([bought(*pairs)], USERS, pa.array(["soap", "tea"])).is_empty()


def test_only_shown_items_with_two_buyers_have_any() -> None:
    pairs = [(user, item) for user in "ab" for item in ("tea", "milk", "hidden")] + [("a", "rare")]
    found = similar_items([bought(*pairs)], USERS, pa.array(["milk", "rare", "tea"]))
    assert set(found["item_id"]) == set(found["similar_id"]) == {"tea", "milk"}


def test_no_purchases() -> None:
    assert similar_items([bought()], USERS, pa.array(["tea"])).is_empty()


def test_the_lake_is_read_some_rows_at_a_time_and_of_a_sample_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(user, item) for user in "dcba" for item in ("tea", "milk")] + [("c", "soap"), ("d", "soap")]
    lake = {
        "features/user": [pa.table({"user_key": [key]}) for key in "dbca"],
        "features/user_item": list(map(bought, pairs)),
        "release": [pa.table({"item_id": [item]}) for item in ("tea", "milk", "tea")],
        "release_segments": [pa.table({"item_id": ["soap"]})],
    }
    written = {}
    monkeypatch.setattr("cartwheel.lake.batches", lambda dataset, day, columns: iter(lake[dataset]))
    monkeypatch.setattr("cartwheel.lake.write", lambda dataset, day, table: written.update({dataset: table}))
    for most, expected in ((2, {"milk", "tea"}), (4, {"milk", "soap", "tea"})):
        monkeypatch.setattr(similar, "USERS", most, raising=False)
        build_similar(date(1999, 4, 1))
        table = written["release_similar"].cast(LAKE_SCHEMAS["release_similar"])
        assert set(pl.DataFrame(table)["item_id"]) == expected, f"{most} users"
