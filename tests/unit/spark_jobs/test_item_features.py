"""The features of items, against values worked out by hand."""

from datetime import date
from math import log

import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, purchase

from cartwheel.contracts import LAKE_SCHEMAS
from spark_jobs import item_features
from spark_jobs.history import candidate_catalogue, purchase_history
from spark_jobs.item_text import PROJECTION, text_features

FACTS = {
    "milk": {"title": "Whole Milk, 2.5 L", "description": "Milk of our own cows", "category": "food", "brand": "own"},
    "tea": {"title": "TEA tea", "category": "food", "brand": "own"},
    "jam": {"title": "Jam of 12 plums, 340 g", "category": "food", "brand": "other"},
}
SHELF = [item | FACTS.get(item["item_id"], {}) for item in ITEMS]


def features(frame, events=TINY_SHOP, items=SHELF, context=()):
    history = purchase_history(frame("interactions", events), DAY, partitions=2).persist()
    catalogue = candidate_catalogue(frame("items", items), history, minimum_purchases=1)
    found = item_features.transform(DAY, history, catalogue, frame("item_context", list(context))).collect()
    return {row["item_id"]: row.asDict() for row in found}


@pytest.fixture(scope="module")
def tiny(frame):
    """The features of the tiny shop, with promotions of milk and jam on the date."""
    weeks = {"starts_on": date(2017, 3, 25), "ends_on": date(2017, 4, 3)}
    context = [
        {"item_id": "milk", "mailer": "front page", "regions": 3} | weeks,
        {"item_id": "milk", "mailer": "front page", "display": "store front", "regions": 4} | weeks | {"ends_on": DAY},
        {"item_id": "jam", "display": "in-aisle", "regions": 2},
    ]
    return features(frame, context=context)


def has(row: dict, **expected) -> bool:
    return {name: row[name] for name in expected} == {
        name: value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9) for name, value in expected.items()
    }


def test_the_columns_are_those_of_the_catalogue(tiny):
    assert set(tiny) == {"milk", "tea", "jam"}
    assert tiny["milk"].keys() == set(LAKE_SCHEMAS["features/item"].names)


def test_what_is_bought(tiny):
    assert has(tiny["milk"], purchases=4, buyers=2, purchases_1=0, purchases_7=1, purchases_28=2, purchases_90=4)
    assert has(tiny["milk"], buyers_28=2, buyers_90=2, repeat_rate=0.5, repeat_share_90=0.5)
    assert has(tiny["milk"], trend_7_28=(1 / 7) / (2 / 28), trend_28_90=(2 / 28) / (4 / 90))
    assert has(tiny["milk"], gap_days=35, gap_std_days=450**0.5, recency_days=1.5, age_days=80.5)  # Ann's gaps are 50, 20 days
    assert has(tiny["tea"], purchases_28=0, trend_7_28=None, trend_28_90=0, repeat_rate=0, gap_days=None, gap_std_days=None)


def test_windows_end_with_the_date(frame):
    events = [purchase("ann", "tea", "03-31 00:00"), purchase("bob", "tea", "03-30 23:59"), purchase("eve", "tea", "03-24 23:59")]
    assert has(features(frame, events)["tea"], purchases=3, purchases_1=1, purchases_7=2, purchases_28=3)


def test_price_is_the_list_price_else_the_mean_price_paid(tiny):
    assert has(tiny["milk"], price=2.5)
    assert has(tiny["jam"], price=4.5)  # two units for 9


def test_prices_paid(frame):
    """Ten purchases at 4, one at 3 and one at 2 in the last 90 days; before them, two units for 16."""
    days = [f"03-{day:02}" for day in range(10, 20)]
    events = [purchase(f"u{day}", "tea", day, value=4) for day in days]
    events += [purchase("ann", "tea", "03-28", value=3), purchase("bob", "tea", "03-29", quantity=2, value=4)]
    events += [purchase("old", "tea", "02-20", quantity=2, value=16), purchase("free", "tea", "03-20", value=None)]
    events += [purchase("eve", "jam", "03-20", value=6)]
    found = features(frame, events)
    assert has(found["tea"], purchases_90=14, regular_price_90=4, price_paid_28=47 / 13)
    assert has(found["tea"], price_change_28_90=log(47 / 13 / 8), price_change_7_90=log(7 / 3 / 4))
    assert has(found["tea"], price_spread_90=1 - 3 / 4)  # 13 with a price: a tenth is reached by the second, nine by the twelfth
    assert has(found["tea"], reduced_share_90=2 / 13)
    assert has(found["tea"], price_to_subcategory=log(63 / 15) - log((63 / 15 + 6) / 2))
    assert has(found["jam"], price_change_28_90=None, price_change_7_90=None, price_spread_90=0, reduced_share_90=0)


def test_without_a_price_nothing_is_said_of_it(frame):
    given = purchase("bob", "tea", "03-21", value=0)
    unknown = [purchase("ann", item, "03-20", value=None) for item in ("tea", "jam")]
    rows = features(frame, [given, *unknown])
    assert has(rows["tea"], price=0, regular_price_90=0, price_spread_90=None, price_change_7_90=None, price_to_subcategory=None)
    assert has(rows["jam"], price=None, regular_price_90=None, price_paid_28=None, reduced_share_90=None)


def test_place_in_the_hierarchy(tiny):
    """Of 7 purchases in 90 days milk has 4, jam 2, tea 1; tea and jam are drinks, milk and tea of the brand `own`."""
    assert has(tiny["tea"], subcategory_items=2, subcategory_purchases_90=3, subcategory_share_90=1 / 3, subcategory_rank_90=2)
    assert has(tiny["tea"], category_items=3, category_purchases_90=7, category_share_90=1 / 7, category_rank_90=3)
    assert has(tiny["tea"], brand_items=2, brand_share_90=5 / 7, brand_rank_90=1, brand_of_subcategory_share_90=1 / 3)
    assert has(tiny["jam"], subcategory_rank_90=1, brand_items=1, brand_share_90=2 / 7, brand_rank_90=2)


def test_without_hierarchy_or_brand_there_is_no_place(frame):
    bare = [{"item_id": name} for name in ("milk", "tea", "jam")]
    row = features(frame, items=bare)["tea"]
    places = [name for name in row if name.startswith(("subcategory", "category", "brand")) or name == "price_to_subcategory"]
    assert len(places) == 13
    assert {row[name] for name in places} == {None}


def texts(frame, *titles):
    items = [{"item_id": str(place), "title": title} for place, title in enumerate(titles)]
    rows = sorted(text_features(frame("items", items)).collect())
    return [row.asDict() for row in rows], [[row[text] for text in PROJECTION] for row in rows]


def test_text(tiny):
    assert has(tiny["milk"], title_words=5, title_characters=17, title_number=2.5, description_words=5)  # whole milk 2 5 l
    assert has(tiny["tea"], title_words=1, title_characters=7, title_number=None, description_words=0)
    assert has(tiny["jam"], title_number=12)


def test_the_projection_depends_on_the_words_alone(frame):
    _, (rice, again, soap) = texts(frame, "Rice and beans", "BEANS, rice and rice", "Soap")
    assert rice == again != soap
    for vector in (rice, soap):
        assert sum(value**2 for value in vector) == pytest.approx(1)
    assert [abs(value) for value in soap] == pytest.approx([8**-0.5] * 8)  # one word: eight signs
    # What a model has learned of the directions stays true as long as these do.
    assert "".join("+" if value > 0 else "-" for value in soap) == "-+-++--+"  # the lowest bits of xxHash64 of "soap", seed 42


def test_without_words_there_is_no_projection(frame):
    (mark, untitled), vectors = texts(frame, "!", None)
    assert has(mark, title_words=0, title_characters=1)
    assert has(untitled, title_words=None, title_characters=None, title_number=None, description_words=0)
    assert vectors == [[None] * 8] * 2


def test_promotions_on_the_date(tiny):
    assert has(tiny["milk"], mailer_regions=7, display_regions=4, promotion_days=7, promotion_days_left=3)
    assert has(tiny["jam"], mailer_regions=0, display_regions=2, promotion_days=None, promotion_days_left=None)
    assert has(tiny["tea"], mailer_regions=0, display_regions=0, promotion_days=None)
