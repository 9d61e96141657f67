"""Items that the same users buy."""

import polars as pl
import pytest

from serving_export.lists.similar import similar_items


def bought(*pairs: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame([(user, item, 1) for user, item in pairs], schema=["user_key", "item_id", "purchases"], orient="row")


def test_items_with_the_same_buyers_are_nearest() -> None:
    pairs = [(user, item) for user in "ab" for item in ("tea", "milk")] + [(user, "soap") for user in "bc"]
    found = similar_items(bought(*pairs), pl.Series(["tea", "milk", "soap"]))
    by_item = {item: rows["similar_id"].to_list() for (item,), rows in found.group_by("item_id")}
    assert by_item["tea"] == ["milk", "soap"] and by_item["milk"] == ["tea", "soap"]
    assert found.filter(item_id="tea")["score"][0] == pytest.approx(1)
    assert found.filter(item_id="tea")["rank"].to_list() == [1, 2]


def test_items_without_a_buyer_in_common_are_not_alike() -> None:
    pairs = [(user, "tea") for user in "ab"] + [(user, "soap") for user in "cd"]
    assert similar_items(bought(*pairs), pl.Series(["tea", "soap"])).is_empty()


def test_only_shown_items_with_two_buyers_have_any() -> None:
    pairs = [(user, item) for user in "ab" for item in ("tea", "milk", "hidden")] + [("a", "rare")]
    found = similar_items(bought(*pairs), pl.Series(["tea", "milk", "rare"]))
    assert set(found["item_id"]) == set(found["similar_id"]) == {"tea", "milk"}


def test_no_purchases() -> None:
    empty = pl.DataFrame(schema={"user_key": pl.String, "item_id": pl.String, "purchases": pl.Int64})
    assert similar_items(empty, pl.Series(["tea"])).is_empty()
