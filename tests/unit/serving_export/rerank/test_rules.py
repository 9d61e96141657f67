"""The shop's rules: when and for whom they count, and what a file may not say."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from serving_export.rerank import Rules, Weights, make_lists
from serving_export.rerank.rules import RulesError, read_rules

DAY = date(2017, 12, 1)
ITEMS = pl.DataFrame({"item_id": ["01", "2", "3"], "category": ["tea", "tea", "soap"], "available": [True, True, True]})
USERS = pa.table({"user_key": ["u", "v"], "age_band": ["25-34", "65+"], "income_band": ["50-74K", None]})
BOUGHT = pl.DataFrame({"user_key": ["v"], "item_id": ["3"]})
SCORES = pl.DataFrame(
    {
        "user_key": ["u", "u", "v", "v"],
        "item_id": ["01", "2", "01", "2"],
        "score": [0.9, 0.5, 0.9, 0.5],
        "source": "als",
        "bought": False,
    }
)


def rules_of(folder: Path, text: str, day: date = DAY) -> Rules:
    path = folder / "rules.yaml"
    path.write_text(text)
    return replace(read_rules(path, day, ITEMS, [USERS]), owned=BOUGHT)


def listed(rules: Rules, user: str, name: str = "for_you") -> list[str]:
    lists = make_lists(SCORES, ITEMS, 3, Weights(), rules=rules)
    return lists.filter(user_key=user, list=name).sort("rank")["item_id"].to_list()


def test_a_pin_is_for_its_segment(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "pinned: [{item: 3, place: 1, lists: [for_you, discover], segments: ['25-34|*']}]")
    assert (listed(rules, "u"), listed(rules, "v")) == (["3", "01", "2"], ["01", "2"])


def test_users_are_only_read_for_rules_that_name_segments_and_only_those_in_them_are_held(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("pinned: [{item: 3, place: 1}]\ncaps: [{most: 1}]")
    users = iter([USERS.slice(0, 1), USERS.slice(1)])
    assert read_rules(path, DAY, ITEMS, users).members.is_empty() and len(list(users)) == 2
    path.write_text("pinned: [{item: 3, place: 1, segments: ['65+|*', all]}]")
    users = iter([USERS.slice(0, 1), USERS.slice(1)])
    assert read_rules(path, DAY, ITEMS, users).members.rows() == [("v", "65+|*")]


def test_what_is_pinned_to_discover_is_new_to_the_user(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "pinned: [{item: 3, place: 2, lists: [for_you, discover]}]")
    assert listed(rules, "u", "discover") == ["01", "3", "2"]
    assert listed(rules, "v", "discover") == ["01", "2"]
    assert listed(rules, "v") == ["01", "3", "2"]


def test_an_id_stays_the_text_that_is_written(tmp_path: Path) -> None:
    assert listed(rules_of(tmp_path, "blocked: [{item: 01, lists: [for_you]}]"), "u") == ["2"]


@pytest.mark.parametrize(("day", "counts"), [(date(2017, 11, 30), False), (DAY, True), (date(2017, 12, 24), True),
                                             (date(2017, 12, 25), False)])  # fmt: skip
def test_a_rule_counts_from_its_first_to_its_last_day(tmp_path: Path, day: date, counts: bool) -> None:
    rules = rules_of(tmp_path, "blocked: [{item: '2', from: 2017-12-01, until: 2017-12-24}]", day)
    assert listed(rules, "u") == (["01"] if counts else ["01", "2"])


def test_a_cap_leaves_places_to_other_categories(tmp_path: Path) -> None:
    text = "caps: [{most: 1}, {category: soap, most: 0}]"
    assert listed(rules_of(tmp_path, text), "u") == ["01"]
    assert listed(rules_of(tmp_path, text + "\npinned: [{item: 3, place: 2}]"), "u") == ["01", "3"]  # a pin needs no room


def test_without_a_file_there_are_no_rules() -> None:
    assert read_rules(None, DAY, ITEMS, [USERS]).pins.is_empty()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pinned: [{item: 9, place: 1}]", "unknown item '9'"),
        ("blocked: [{item: 01}, {item: x}]", "unknown item 'x'"),
        ("caps: [{category: coffee, most: 1}]", "unknown category 'coffee'"),
        ("pinned: [{item: 3, place: 0}]", "pinned 1 place: Input should be greater than or equal to 1"),
        ("pinned: [{item: 3, place: 1, lists: [buy_again]}]", "pinned 1 lists 1: Input should be 'for_you' or 'discover'"),
        ("blocked: [{item: 3, untill: 2017-12-01}]", "blocked 1 untill: Extra inputs are not permitted"),
        ("blocked: [{item: 3, until: soon}]", "blocked 1 until: Input should be a valid date"),
        ("pinned: [{item: 3, place: 1}]\nblocked: [{item: 3}]", "item '3' is pinned and blocked in for_you on 2017-12-01"),
        ("pinned: [", "is no YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RulesError) as error:
        rules_of(tmp_path, text)
    assert message in str(error.value)
    assert "rules.yaml: " in str(error.value)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="CARTWHEEL_RULES_FILE"):
        read_rules(tmp_path / "none.yaml", DAY, ITEMS, [USERS])
