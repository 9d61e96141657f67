"""Segments by hand: who is new, light or heavy, what is head or tail, and which department."""

import polars as pl

from training import groups, metrics

ITEM = pl.DataFrame({"item_id": ["a", "b", "c", "d", "e"], "purchases": [40.0, 20.0, 20.0, 10.0, 10.0]})
ITEMS = pl.DataFrame({"item_id": ["a", "b", "c", "d", "e"], "department": ["GROCERY", "GROCERY", "DELI", "DELI", None]})
TRUTH = metrics.truth(
    pl.DataFrame({"user_key": ["u", "u", "v", "w", "x"], "item_id": ["c", "d", "c", "a", "e"]}), ITEM, minimum=5
)
USER = pl.DataFrame({"user_key": ["u", "v", "w", "y"], "visits": [4.0, 5.0, 50.0, 5.0], "purchases": [900.0, 10.0, 300.0, 20.0]})


def members(found: list[groups.Group]) -> dict[str, list[str]]:
    return {group.name: group.keys.to_series().to_list() for group in found}


def test_users_by_visits_and_purchases_and_strangers_are_new():
    found = groups.by_activity(USER, TRUTH)
    assert members(found) == {"new": ["u", "x"], "light": ["v", "y"], "heavy": ["w"]}
    assert [group.limit for group in found] == [
        "fewer than 5 visits",
        "others with up to 20 purchases",
        "more than 20 purchases",
    ]
    assert {group.key for group in found} == {"user_key"}


def test_the_head_is_the_items_that_make_up_half_of_the_purchases():
    head, tail = groups.by_sales(TRUTH)
    assert (head.keys["item_id"].to_list(), tail.keys["item_id"].to_list()) == (["a", "b"], ["c", "d", "e"])
    assert (head.limit, tail.limit) == ("the 2 most bought items, 50 % of all purchases", "the other 3 items")


def test_departments_most_bought_from_first_and_none_without_a_name():
    found = groups.by_department(ITEMS, TRUTH)
    assert list(members(found).items()) == [("DELI", ["c", "d"]), ("GROCERY", ["a", "b"])]
    assert [group.limit for group in found] == ["2 items", "2 items"]
