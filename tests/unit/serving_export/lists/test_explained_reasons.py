"""Reasons from explanations: they follow the largest effect, and they are true."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwheel.contracts import REASON_GROUPS
from serving_export.lists.explained_reasons import NOTHING_TO_SAY, Facts, add_explained_reasons

TITLES = {"green": "Green Tea", "black": "Black Tea", "mug": "Tea Mug", "soap": "Soap", "plain": None}
ITEMS = pl.DataFrame(
    {
        "item_id": list(TITLES),
        "title": list(TITLES.values()),
        "department": ["GROCERY", "GROCERY", "Home & Living", None, None],
        "category": ["HOT DRINKS", "HOT DRINKS", "HOT DRINKS", "Bath", None],
        "subcategory": ["Tea", "Tea", "Mugs", None, None],
        "brand": ["Leaf", "Leaf", "Clay", "Leaf", None],
    }
)
SALES = pl.DataFrame(
    {
        "item_id": list(TITLES),
        "purchases_28": [9.0, 5.0, 2.0, 0.0, 0.0],  # one department sells two: its best tenth is one item
        "mailer_regions": [0.0, 0.0, 3.0, 0.0, 0.0],
        "display_regions": [0.0, 0.0, 0.0, 1.0, 0.0],
    }
)


def facts(bought: dict[str, int], named: dict[str, str]) -> Facts:
    """What user `u` bought how often, five days ago, and which source names which item."""
    rows = [{"user_key": "u", "item_id": item, "purchases": n, "recency_days": 5.2} for item, n in bought.items()]
    history = pl.DataFrame(
        rows, schema={"user_key": pl.String, "item_id": pl.String, "purchases": pl.Float32, "recency_days": pl.Float32}
    )
    sources = pl.DataFrame(
        [
            {"user_key": "u", "item_id": item} | {f"{s}_rank": 1 if named.get(item) == s else None for s in SOURCES}
            for item in TITLES
        ],
        schema_overrides={f"{s}_rank": pl.Int32 for s in SOURCES},
    )
    return Facts(history, ITEMS, SALES, sources)


SOURCES = ("als", "ease", "item_cf", "co_purchase", "content")


def reasons(known: Facts, effects: dict[str, dict[str, float]], moved_by: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """By item of `effects`, given by group (0 where not): the row with its reason, group and top_group."""
    bought = set(known.user_item["item_id"])
    lists = pl.DataFrame(
        [
            {
                "user_key": "u",
                "list": "for_you",
                "rank": n,
                "item_id": item,
                "score": 0.5,
                "source": "als",
                "bought": item in bought,
            }
            for n, item in enumerate(effects, 1)
        ]
    )
    explanations = pl.DataFrame(
        [
            {"user_key": "u", "item_id": item, "baseline": -3.0}
            | {group: of.get(group, 0.0) for group in REASON_GROUPS}
            | {"moved_by": moved_by.get(item), "moved_by_effects": [1.0] * len(moved_by.get(item, []))}
            for item, of in effects.items()
        ],
        schema_overrides={"moved_by": pl.List(pl.String), "moved_by_effects": pl.List(pl.Float64)},
    )
    explained = add_explained_reasons(lists, explanations, known)
    assert explained["rank"].to_list() == lists["rank"].to_list()
    return {row["item_id"]: row for row in explained.to_dicts()}


@pytest.mark.parametrize(
    ("item", "group", "sentence"),
    [
        ("green", "own", "Buy again: you bought it 3 times, last 5 days ago"),
        ("black", "affinity", "Because you often buy Tea"),
        ("mug", "affinity", "Because you often buy Hot Drinks"),
        ("soap", "affinity", "Because you often buy Leaf"),
        ("mug", "similar", "Shoppers like you buy this"),
        ("soap", "similar", "Similar to what you buy"),
        ("mug", "price", "On offer this week"),
        ("soap", "price", "On offer this week"),
        ("green", "item", "Popular this month in Grocery"),
        ("mug", "sequence", "Because you bought Green Tea"),
        ("green", "sequence", "Buy again: you bought it 3 times, last 5 days ago"),
    ],
)
def test_the_reason_speaks_of_the_group_that_adds_most(item: str, group: str, sentence: str) -> None:
    known = facts({"green": 3}, {"mug": "item_cf", "soap": "content"})
    others = dict.fromkeys(REASON_GROUPS, 0.4) | {group: 0.5}
    row = reasons(known, {item: others}, {item: ["green"]})[item]
    assert (row["reason"], row["group"], row["top_group"]) == (sentence, group, group)


def test_what_is_not_true_is_not_said_and_the_next_group_is() -> None:
    known = facts({"green": 2}, {})
    effects = {name: 9.0 - place for place, name in enumerate(("own", "affinity", "similar", "price", "item"))}
    row = reasons(known, {"black": effects | {"sequence": 1.0}}, {"black": ["mug", "green"]})["black"]
    assert (row["reason"], row["group"], row["top_group"]) == ("Because you bought Green Tea", "sequence", "own")


def test_nothing_to_say() -> None:
    assert reasons(facts({}, {}), {"plain": {"own": 1.0}}, {})["plain"]["reason"] == NOTHING_TO_SAY


ITEM = st.sampled_from(list(TITLES))
EFFECTS = st.dictionaries(ITEM, st.dictionaries(st.sampled_from(REASON_GROUPS), st.floats(-9, 9, width=32)), min_size=1)


@settings(max_examples=50)
@given(
    st.dictionaries(ITEM, st.integers(1, 5)),
    st.dictionaries(ITEM, st.sampled_from(SOURCES)),
    EFFECTS,
    st.dictionaries(ITEM, st.lists(ITEM, unique=True, min_size=1, max_size=3)),
)
def test_whatever_the_model_says_the_reason_is_true(bought, named, effects, moved_by) -> None:
    for item, row in reasons(facts(bought, named), effects, moved_by).items():
        said = row["reason"]
        about = ITEMS.row(by_predicate=pl.col("item_id") == item, named=True)
        if said.startswith("Buy again: you bought it once"):
            assert bought[item] == 1
        elif said.startswith("Buy again: you bought it "):
            assert said == f"Buy again: you bought it {bought[item]} times, last 5 days ago" and bought[item] > 1
        elif said.startswith("Because you bought "):
            assert said.removeprefix("Because you bought ") in {TITLES[one] for one in bought if one != item}
        elif said.startswith("Because you often buy "):
            name = said.removeprefix("Because you often buy ")
            level = {about["subcategory"]: "subcategory", about["brand"]: "brand"}.get(name, "category")
            alike = ITEMS.filter(pl.col(level) == about[level])["item_id"]
            assert name in {about[level], str(about[level]).title()}
            assert sum(bought.get(one, 0) for one in alike) >= 3
        elif said.startswith("Popular this month"):
            assert item in {"green", "mug"}  # the best sellers of the two departments
        else:
            assert {
                "Shoppers like you buy this": named.get(item) in ("als", "ease", "item_cf", "co_purchase"),
                "Similar to what you buy": named.get(item) == "content",
                "On offer this week": item in {"mug", "soap"},
                NOTHING_TO_SAY: True,
            }[said]
