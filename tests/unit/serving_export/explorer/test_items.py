"""Neighbours and places of an item, worked out by hand."""

import pytest

from serving_export.explorer.items import best_neighbours, summarize_places


def test_neighbours_are_ordered_by_bond_and_what_is_usual_is_left_out():
    together = [("bread", 50, 100), ("milk", 60, 100), ("tea", 10, 100), ("salt", 2, 100), ("odd", 10, 100)]
    usual = {"bread": 0.25, "milk": 0.6, "tea": 0.01, "salt": 0.001}  # "odd" is in no basket of those weeks
    # 50 log 2 = 34.7; 10 log 10 = 23.0; milk is as usual as ever, and two baskets with salt are chance.
    found = best_neighbours(together, usual)
    assert [each.item_id for each in found] == ["bread", "tea"]
    assert found[0].share == 0.5 and found[0].lift == 2
    assert found[1].lift == pytest.approx(10)


def test_places_are_summed_up_by_list():
    places = summarize_places([("for_you", 1, 2), ("for_you", 3, 1), ("for_you", 12, 2), ("buy_again", 4, 1)])
    assert list(places) == ["for_you", "buy_again"]
    for_you = places["for_you"]
    assert (for_you.lists, for_you.best, for_you.median) == (5, 1, 3)
    assert [bar.value for bar in for_you.ranks] == [2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert len(places["buy_again"].ranks) == 10


def test_an_item_in_no_list_has_no_places():
    assert summarize_places([]) == {}
