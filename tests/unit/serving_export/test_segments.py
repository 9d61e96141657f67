"""Popular lists by segment."""

import polars as pl
import pytest

from serving_export.lists.popular import Popularity
from serving_export.rerank.rules import BLOCKS, Rules
from serving_export.segments import member_segment, segment_chain

USERS = pl.DataFrame(
    {"user_key": ["u1", "u2", "u3"], "age_band": ["25-34", "25-34", None], "income_band": ["50-74K", None, "50-74K"]}
)
ITEMS = pl.DataFrame({"item_id": ["a", "b", "gone"], "available": [True, None, False]})


def bought(**items_by_user: str) -> pl.DataFrame:
    rows = [(user, item, 1.0) for user, items in items_by_user.items() for item in items.split()]
    return pl.DataFrame(rows, schema=["user_key", "item_id", "purchases_28"], orient="row")


def segment_lists(user_item: pl.DataFrame, users_at_once: int = 1000, rules: Rules | None = None) -> pl.DataFrame:
    popularity, keys = Popularity(), user_item["user_key"].unique().sort()
    for start in range(0, len(keys), users_at_once):
        mine = pl.col("user_key").is_in(keys[start : start + users_at_once].implode())
        popularity.add(user_item.filter(mine), USERS.filter(mine))
    return popularity.lists(ITEMS, 10, rules or Rules())


def test_every_level_of_segment_has_a_list() -> None:
    lists = segment_lists(bought(u1="a", u2="b", u3="b", stranger="b"))
    assert set(lists["segment"]) == {"all", "25-34|50-74K", "25-34|*", "*|50-74K"}
    assert lists.filter(pl.col("segment") == "all")["item_id"].to_list() == ["b", "a"]


def test_only_available_items_bought_in_the_last_28_days() -> None:
    user_item = pl.concat([bought(u1="a gone"), bought(u1="b").with_columns(purchases_28=0.0)])
    lists = segment_lists(user_item)
    assert set(lists["item_id"]) == {"a"}


def test_a_blocked_item_is_in_no_popular_list_of_those_it_is_blocked_for() -> None:
    user_item = bought(u1="a b", u2="a b", u3="a b", stranger="a b")
    without = {}
    for segment in ("all", "25-34|*"):
        rules = Rules(blocks=pl.DataFrame([("discover", "a", segment)], BLOCKS, orient="row"))
        lists = segment_lists(user_item, rules=rules)
        assert lists.filter(item_id="b", rank=1).height + lists.filter(item_id="a", rank=1).height == 4  # places close up
        without[segment] = set(lists["segment"]) - set(lists.filter(item_id="a")["segment"])
    assert without == {"all": {"all", "25-34|50-74K", "25-34|*", "*|50-74K"}, "25-34|*": {"25-34|50-74K", "25-34|*"}}


def test_a_small_segment_leans_on_the_whole_shop() -> None:
    many = {f"s{n}": "b" for n in range(200)}
    lists = segment_lists(bought(u1="a b", **many))
    own = lists.filter(pl.col("segment") == "25-34|*").sort("rank")
    assert own["item_id"].to_list() == ["b", "a"]
    assert own["score"].to_list() == pytest.approx([1.0, (1 + 20 / 201) / 21])


def test_some_users_at_a_time_make_the_same_lists() -> None:
    user_item = bought(u1="a b", u2="b", u3="a gone", stranger="b", other="a")
    assert segment_lists(user_item, users_at_once=2).equals(segment_lists(user_item))


def test_without_purchases_there_are_no_lists() -> None:
    assert Popularity().lists(ITEMS, 10, Rules()).is_empty()


def test_the_closest_known_segment() -> None:
    known = {"25-34|*", "*|50-74K", "all"}
    assert segment_chain("25-34", "50-74K") == ["25-34|50-74K", "25-34|*", "*|50-74K", "all"]
    assert member_segment("25-34", "50-74K", known) == "25-34|*"
    assert member_segment("65+", "50-74K", known) == "*|50-74K"
    assert member_segment(None, None, known) == "all"
