"""The features of users, and of users with items and groups of items, against values worked out by hand."""

from math import exp, log

import pytest
from spark_jobs_shop import DAY, ITEMS, TINY_SHOP, purchase

from spark_jobs import user_category_features, user_features, user_item_features, user_subcategory_features
from spark_jobs.history import purchase_history

# The regular prices: Ann has paid 2 for milk, 3 for tea, 5 for jam; Bob 2 for milk, 4 for jam. All in the last 90 days.
ITEM = [
    {"item_id": "milk", "regular_price_90": 2.5, "gap_days": 30, "price_to_subcategory": 0, "brand_rank_90": 1},
    {"item_id": "tea", "regular_price_90": 2, "gap_days": None, "price_to_subcategory": -0.5, "brand_rank_90": 2},
    {"item_id": "jam", "regular_price_90": 5, "gap_days": 20, "price_to_subcategory": 0.5, "brand_rank_90": 3},
]
BRANDS = {"milk": "Own", "tea": "Leaf", "jam": None}
USERS = [{"user_key": "ann", "age_band": "25-34", "income_band": "Under 15K", "household_size": "5+"}, {"user_key": "bob"}]


@pytest.fixture(scope="module")
def history(frame):
    return purchase_history(frame("interactions", TINY_SHOP), DAY, partitions=2).persist()


@pytest.fixture(scope="module")
def item(frame):
    return frame("features/item", ITEM).persist()


@pytest.fixture(scope="module")
def user_items(history, item):
    return user_item_features.transform(DAY, history, item).persist()


@pytest.fixture(scope="module")
def users(frame, history, item, user_items) -> dict[str, dict]:
    items = [row | {"brand": BRANDS.get(row["item_id"]), "category": row["subcategory"]} for row in ITEMS]
    categories = user_category_features.transform(DAY, history, frame("items", items))
    frames = {"users": frame("users", USERS), "items": frame("items", items), "item": item}
    return by_key(user_features.transform(DAY, history, user_item=user_items, user_category=categories, **frames), "user_key")


def by_key(frame, *keys):
    return {tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: row.asDict() for row in frame.collect()}


def test_a_row_per_user_with_every_feature_of_the_catalogue(users, frame):
    assert set(users) == {"ann", "bob"}
    assert set(users["ann"]) == set(frame("features/user", []).columns)


def test_activity(users):
    assert (
        users["ann"]
        | {
            "purchases": 5,
            "visits": 4,
            "items": 3,
            "recency_days": 10.5,  # from noon of 21 March to the end of 31 March
            "age_days": 80.5,
            "visits_per_week": pytest.approx(4 / 11.5),
            "gap_days": pytest.approx(70 / 3),  # four visits over 70 days
            "gap_std_days": pytest.approx(((80 / 3) ** 2 + 2 * (40 / 3) ** 2) ** 0.5 / 2**0.5),  # gaps of 50, 10 and 10
            "dueness": pytest.approx(10.5 * 3 / 70),
            "basket_items": 1.25,
            "last_basket_items": 1,
            "value": 16,
            "spend_per_visit": 4,
            "visits_1": 0,
            "visits_7": 0,
            "visits_28": 2,
            "visits_90": 4,
            "purchases_7": 0,
            "purchases_28": 2,
            "purchases_90": 5,
            "spend_7": 0,
            "spend_28": 7,
            "spend_90": 16,
            "trend_28_90": pytest.approx((2 / 28) / (4 / 90)),
            "novelty_rate_90": pytest.approx(3 / 5),
        }
        == users["ann"]
    )


def test_user_with_one_visit_has_no_gap(users):
    bob = users["bob"]
    assert (bob["visits"], bob["visits_7"], bob["visits_1"], bob["spend_7"]) == (1, 1, 0, 6)
    assert (bob["gap_days"], bob["gap_std_days"], bob["dueness"], bob["novelty_rate_90"]) == (None, None, None, 1)
    assert bob["visits_per_week"] == 1  # a first visit yesterday is not seven a week


def test_times_of_day_and_week(users):
    # 10 January was a Tuesday, 1 March a Wednesday, 11 March a Saturday, 21 March a Tuesday; all at noon.
    shares = ("night_share", "morning_share", "afternoon_share", "evening_share", "weekend_share", "top_weekday_share")
    assert [users["ann"][share] for share in shares] == [0, 0, 1, 0, 0.25, 0.5]


def test_prices_against_the_items_regular_prices(users):
    ann = users["ann"]  # four units of milk for 8, regularly 10; tea for 3, regularly 2; jam for 5, regularly 5
    assert ann["price_index_90"] == pytest.approx((8 + 3 + 5) / (10 + 2 + 5))
    assert ann["reduced_share_90"] == pytest.approx(3 / 5)
    assert ann["price_level_90"] == pytest.approx((0 + 0 + 0 - 0.5 + 0.5) / 5)
    assert users["bob"]["price_level_90"] == pytest.approx(0.25)
    assert users["bob"]["price_level_spread_90"] == pytest.approx(0.45 - 0.05)  # of 0 and 0.5


def test_taste(users):
    ann = users["ann"]  # three purchases of dairy, two of drinks
    assert (ann["category_count"], ann["top_category_share"]) == (2, pytest.approx(0.6))
    assert ann["category_entropy"] == pytest.approx(-0.6 * log(0.6) - 0.4 * log(0.4))
    assert (ann["brand_count"], ann["top_brand_share"]) == (2, pytest.approx(0.75))  # jam has no brand
    assert ann["main_brand_share"] == pytest.approx(3 / 5)
    assert (users["bob"]["brand_count"], users["bob"]["brand_entropy"]) == (1, 0)


def test_attributes_are_the_first_numbers_of_the_bands(users):
    names = ("age_from", "income_from", "household_from")
    assert [users["ann"][name] for name in names] == [25, 0, 5]
    assert [users["bob"][name] for name in names] == [None, None, None]


def test_a_return_counts_in_value_but_not_in_spend(frame, item):
    events = [purchase("ann", "milk", "03-20", value=5), purchase("ann", "tea", "03-30", value=-3)]
    history = purchase_history(frame("interactions", events), DAY, partitions=2)
    ann = user_features.activity(DAY, history).first()
    assert (ann.value, ann.spend_per_visit, ann.spend_7, ann.spend_28) == (2, 1, 0, 5)
    assert user_features.prices(DAY, history, item).first().price_index_90 == 2


def test_user_item_features(user_items):
    rows = by_key(user_items, "user_key", "item_id")
    assert set(rows) == {("ann", "milk"), ("ann", "tea"), ("ann", "jam"), ("bob", "milk"), ("bob", "jam")}
    assert rows["ann", "milk"] == {
        "user_key": "ann",
        "item_id": "milk",
        "purchases": 3,
        "quantity": 4,
        "quantity_per_purchase": pytest.approx(4 / 3),
        "visit_share": 0.75,  # three of the four visits since the first
        "recency_days": 10.5,
        "age_days": 80.5,
        "visits_since": 0,
        "gap_days": 35,  # of the gaps 50 and 20
        "gap_std_days": pytest.approx(450**0.5),
        "dueness": pytest.approx(10.5 / 35),
        "gap_visits": 1.5,  # three visits on, in two steps
        "visit_dueness": 0,
        "usual_gap_days": pytest.approx(100 / 3),  # 50, 20 and the item's 30
        "usual_dueness": pytest.approx(10.5 * 3 / 100),
        "purchases_28": 1,
        "purchases_90": 3,
        "purchases_182": 3,
        "decayed_visits": pytest.approx(exp(-3 / 25) + exp(-2 / 25) + 1),
        "decayed_days": pytest.approx(exp(-80.5 / 90) + exp(-30.5 / 90) + exp(-10.5 / 90)),
        "last_price_ratio": 0.8,
    }


def test_a_single_purchase_has_the_gap_of_the_item(user_items):
    rows = by_key(user_items, "user_key", "item_id")
    own = ("gap_days", "gap_std_days", "dueness", "gap_visits", "visit_dueness")
    assert [rows["ann", "jam"][name] for name in own] == [None] * 5
    assert (rows["ann", "jam"]["usual_gap_days"], rows["ann", "jam"]["usual_dueness"]) == (20, pytest.approx(20.5 / 20))
    assert (rows["ann", "tea"]["usual_gap_days"], rows["ann", "tea"]["last_price_ratio"]) == (None, 1.5)


def test_user_item_features_keep_to_the_items_of_the_catalogue(frame, history):
    rows = user_item_features.transform(DAY, history, frame("features/item", ITEM[:1])).collect()
    assert {row.item_id for row in rows} == {"milk"}


@pytest.mark.parametrize(("job", "group"), [(user_subcategory_features, "subcategory"), (user_category_features, "category")])
def test_features_of_groups_of_items(frame, history, job, group):
    items = frame("items", [{"item_id": item["item_id"], group: item["subcategory"]} for item in ITEMS])
    rows = by_key(job.transform(DAY, history, items), "user_key", group)
    assert set(rows) == {("ann", "dairy"), ("ann", "drinks"), ("bob", "dairy"), ("bob", "drinks")}
    assert rows["ann", "drinks"] == {
        "user_key": "ann",
        group: "drinks",
        "purchases": 2,
        "items": 2,
        "visits": 2,
        "share": 0.4,
        "recency_days": 20.5,
        "gap_days": 10,
        "dueness": pytest.approx(2.05),
        "usual_dueness": pytest.approx(2.05),  # nobody else bought drinks twice
        "purchases_28": 1,
        "purchases_90": 2,
        "decayed_visits": pytest.approx(exp(-2 / 25) + exp(-1 / 25)),
    }
    assert rows["bob", "drinks"]["dueness"] is None
    assert rows["bob", "drinks"]["usual_dueness"] == pytest.approx(0.15)


def test_gaps_of_equal_length_have_no_deviation(frame):
    events = [purchase("ann", "milk", f"03-{day}") for day in (10, 17, 24, 31)]
    history = purchase_history(frame("interactions", events), DAY, partitions=2)
    ann = user_features.activity(DAY, history).first()
    assert (ann.gap_days, ann.gap_std_days, ann.dueness) == (7, 0, pytest.approx(0.5 / 7))
