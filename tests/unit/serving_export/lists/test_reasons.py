"""The words that go with each item."""

import polars as pl
import pytest

from serving_export.lists.reasons import NO_ANCHOR, add_reasons

ITEMS = pl.DataFrame(
    {
        "item_id": ["green", "black", "mug", "soap", "plain"],
        "title": ["Green Tea", "Black Tea", "Tea Mug", "Soap", None],
        "department": ["GROCERY", "GROCERY", "Home & Living", None, None],
        "category": ["Hot drinks", "Hot drinks", "Hot drinks", "Bath", None],
        "subcategory": ["Tea", "Tea", "Mugs", None, None],
    }
)


def history(**recency_and_count: tuple[float, float]) -> pl.DataFrame:
    rows = [
        {"user_key": "u", "item_id": item, "purchases": n, "recency_days": days, "decayed_visits": n}
        for item, (days, n) in recency_and_count.items()
    ]
    schema = {
        "user_key": pl.String,
        "item_id": pl.String,
        **dict.fromkeys(("purchases", "recency_days", "decayed_visits"), pl.Float32),
    }
    return pl.DataFrame(rows, schema=schema)


def reason(item: str, source: str, bought: bool, user_item: pl.DataFrame) -> str:
    row = {"user_key": "u", "list": "for_you", "rank": 1, "item_id": item, "score": 1.0, "source": source, "bought": bought}
    (text,) = add_reasons(pl.DataFrame([row]), user_item, ITEMS)["reason"]
    return text


@pytest.mark.parametrize(
    ("days", "count", "text"),
    [
        (12.4, 7, "Buy again: you bought it 7 times, last 12 days ago"),
        (1.2, 2, "Buy again: you bought it 2 times, last yesterday"),
        (0.3, 3, "Buy again: you bought it 3 times, last today"),
        (30, 1, "Buy again: you bought it once, 30 days ago"),
    ],
)
def test_bought_before(days: float, count: float, text: str) -> None:
    assert reason("green", "buy_again", True, history(green=(days, count))) == text


def test_bought_before_but_without_features() -> None:
    assert reason("green", "buy_again", True, history()) == "Buy again: you bought it before"


def test_popular_names_the_department() -> None:
    assert reason("green", "popular", False, history()) == "Popular this month in Grocery"
    assert reason("mug", "popular", False, history()) == "Popular this month in Home & Living"
    assert reason("soap", "popular", False, history()) == "Popular this month"


def test_because_of_the_same_subcategory_before_the_same_category() -> None:
    assert reason("green", "als", False, history(black=(5, 2), mug=(1, 9))) == "Because you bought Black Tea"
    assert reason("mug", "item_cf", False, history(black=(5, 2), green=(5, 3))) == "Because you bought Green Tea"


def test_nothing_related() -> None:
    assert reason("soap", "als", False, history(black=(5, 2))) == NO_ANCHOR
    assert reason("plain", "ranker", False, history(plain=(5, 2))) == NO_ANCHOR
