"""Two releases of one list, by hand and at random."""

from hypothesis import given
from hypothesis import strategies as st

from serving_export.explorer.changes import Recommendation, compare, reason_kind
from serving_export.explorer.users import compare_lists


def ranked(items: list[str]) -> list[Recommendation]:
    return [Recommendation(rank, item, 1 / rank, "Buy again: yes") for rank, item in enumerate(items, start=1)]


def test_what_entered_left_and_moved():
    compared = compare(ranked(["milk", "tea", "bread", "eggs"]), ranked(["bread", "milk", "rice", "eggs"]))
    assert [(each.now.item_id, each.earlier_rank, each.moved) for each in compared.listed] == [
        ("milk", 2, 1), ("tea", None, 0), ("bread", 1, -2), ("eggs", 4, 0),
    ]  # fmt: skip
    assert [(each.rank, each.item_id) for each in compared.left] == [(3, "rice")]
    assert (compared.entered, compared.moved) == (1, 2)


def test_without_an_earlier_release_nothing_counts_as_new():
    compared = compare(ranked(["milk", "tea"]), None)
    assert (compared.entered, compared.moved, compared.left, compared.compared) == (0, 0, [], False)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_entered_and_left_account_for_both_lists(now, then):
    compared = compare(ranked(now), ranked(then))
    stayed = [each for each in compared.listed if each.earlier_rank is not None]
    assert len(stayed) + compared.entered == len(now)
    assert len(stayed) + len(compared.left) == len(then)
    assert all(then[each.now.rank + each.moved - 1] == each.now.item_id for each in stayed)


def test_reasons_are_counted_by_kind():
    reasons = ["Buy again: you bought it 19 times", "Shoppers like you buy this", "Buy again: twice", "New in the shop"]
    rows = [("second", "for_you", rank, f"item {rank}", 0.5, reason) for rank, reason in enumerate(reasons, start=1)]
    lists = compare_lists(rows, "second", None)
    assert lists["for_you"].kinds == [("Buy again", 2), ("Shoppers like you", 1), ("Other", 1)]
    assert lists["discover"].listed == []
    assert reason_kind("Because you bought Milk") == "Because you bought"


def test_releases_are_told_apart():
    rows = [("first", "for_you", 1, "milk", 0.9, "r"), ("second", "for_you", 1, "tea", 0.9, "r")]
    assert [each.item_id for each in compare_lists(rows, "second", "first")["for_you"].left] == ["milk"]
    assert compare_lists(rows[1:], "second", "first")["for_you"].compared is False  # the user is new
    assert compare_lists(rows[:1], "second", "first") == {}  # the user has gone
