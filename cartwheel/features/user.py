"""The features of users, and of users with a subcategory or an item."""

import pyarrow as pa

from cartwheel.features.feature import HISTORY, Feature, FeatureSet

PURCHASES = "interactions"
ONE_VISIT = "fewer than two visits"
ONE_PURCHASE = "fewer than two purchases"
KEY = {"user_key": pa.string()}

NO_RECENT = "no purchase in 90 days"
NO_BRAND = "no item with a brand bought"
NO_CATEGORY = "no item with a category bought"
WINDOWS = {1: "1 day", 7: "7 days", 28: "28 days", 90: "90 days"}
ITEM_PRICES = "interactions, features/item"
BRANDS = "features/user_item, features/item, items"
CATEGORIES = "features/user_category"

ACTIVITY = (
    Feature("purchases", "Purchases: one item in one visit.", HISTORY, PURCHASES, "count"),
    Feature("visits", "Visits: sessions with a purchase.", HISTORY, PURCHASES, "count"),
    Feature("items", "Different items bought.", HISTORY, PURCHASES, "count"),
    Feature("recency_days", "Since the last visit, from the end of the date.", HISTORY, PURCHASES, "days"),
    Feature("age_days", "Since the first visit of the history.", HISTORY, PURCHASES, "days"),
    Feature("visits_per_week", "Visits a week since the first; one week at least.", HISTORY, PURCHASES, "ratio"),
    Feature("gap_days", "Mean time between visits.", HISTORY, PURCHASES, "days", ONE_VISIT),
    Feature("gap_std_days", "Sample deviation of that time.", HISTORY, PURCHASES, "days", "fewer than three visits"),
    Feature("dueness", "recency_days over gap_days: at 1 the next visit is due.", HISTORY, PURCHASES, "ratio", ONE_VISIT),
    Feature("basket_items", "Purchases a visit.", HISTORY, PURCHASES, "ratio"),
    Feature("last_basket_items", "Purchases in the last visit.", HISTORY, PURCHASES, "count"),
    Feature("value", "Money spent, less returns.", HISTORY, PURCHASES, "balance", "no purchase has a value"),
    Feature("spend_per_visit", "Money spent a visit, less returns.", HISTORY, PURCHASES, "balance", "no purchase has a value"),
    *(Feature(f"visits_{days}", "Visits.", window, PURCHASES, "count") for days, window in WINDOWS.items()),
    *(
        Feature(f"purchases_{days}", "Purchases in the window's visits.", window, PURCHASES, "count")
        for days, window in WINDOWS.items()
    ),
    *(
        Feature(f"spend_{days}", "Money spent in the window's visits; returns do not count.", window, PURCHASES, "money")
        for days, window in WINDOWS.items()
    ),
    Feature("trend_28_90", "Visits a day in 28 days over those in 90 days.", "90 days", PURCHASES, "ratio", NO_RECENT),
    Feature(
        "novelty_rate_90", "Share of the window's purchases that were the user's first of their item.",
        "90 days", PURCHASES, "share", NO_RECENT,
    ),
)  # fmt: skip
HOURS = (
    Feature("night_share", "Share of the visits that began from 0 to 6 h, UTC.", HISTORY, PURCHASES, "share"),
    Feature("morning_share", "From 6 to 12 h, UTC.", HISTORY, PURCHASES, "share"),
    Feature("afternoon_share", "From 12 to 18 h, UTC.", HISTORY, PURCHASES, "share"),
    Feature("evening_share", "From 18 to 24 h, UTC.", HISTORY, PURCHASES, "share"),
    Feature("weekend_share", "Share of the visits on a Saturday or Sunday.", HISTORY, PURCHASES, "share"),
    Feature("top_weekday_share", "Share of the visits on the favourite weekday.", HISTORY, PURCHASES, "share"),
)
PRICES = (
    Feature(
        "price_index_90", "Money paid over the same items at their regular_price_90; candidates only.",
        "90 days", ITEM_PRICES, "ratio", "no candidate with a price bought in 90 days",
    ),
    Feature(
        "reduced_share_90", "Share of purchases at less than 95 % of the regular price; candidates only.",
        "90 days", ITEM_PRICES, "share", "no candidate with a price bought in 90 days",
    ),
    Feature(
        "price_level_90", "Mean of price_to_subcategory of what was bought: below zero, the cheaper of each kind.",
        "90 days", ITEM_PRICES, "change", "no candidate with a price and a subcategory bought in 90 days",
    ),
    Feature(
        "price_level_spread_90", "From its first to its ninth decile.",
        "90 days", ITEM_PRICES, "ratio", "no candidate with a price and a subcategory bought in 90 days",
    ),
)  # fmt: skip
TASTE = (
    Feature("category_count", "Different categories bought from.", HISTORY, CATEGORIES, "count", NO_CATEGORY),
    Feature("top_category_share", "Share of purchases from the favourite category.", HISTORY, CATEGORIES, "share", NO_CATEGORY),
    Feature(
        "category_entropy", "Entropy of purchases over categories, in nats: 0 is all from one.",
        HISTORY, CATEGORIES, "number", NO_CATEGORY,
    ),
    Feature("brand_count", "Different brands bought; candidates only.", HISTORY, BRANDS, "count", NO_BRAND),
    Feature("top_brand_share", "Share of purchases of the favourite brand; candidates only.", HISTORY, BRANDS, "share", NO_BRAND),
    Feature("brand_entropy", "Entropy of purchases over brands, in nats; candidates only.", HISTORY, BRANDS, "number", NO_BRAND),
    Feature(
        "main_brand_share", "Share of purchases of the shop's biggest brand, often its own; candidates only.",
        HISTORY, BRANDS, "share", "no candidate bought",
    ),
)  # fmt: skip
ATTRIBUTES = tuple(
    Feature(
        name, f"First number in {band}; 0 where it begins with under, below, less or <.",
        "date", "users", "number", "not known, or not a number",
    )
    for name, band in (("age_from", "age_band"), ("income_from", "income_band"), ("household_from", "household_size"))
)  # fmt: skip

USER = FeatureSet("user with a purchase", KEY, (*ACTIVITY, *HOURS, *PRICES, *TASTE, *ATTRIBUTES))


def _of_group(group: str) -> FeatureSet:
    """The features of users and a group of items: a subcategory or a category."""
    source = "interactions, items"
    return FeatureSet(
        f"user and {group} bought from, over all items",
        KEY | {group: pa.string()},
        (
            Feature("purchases", f"Purchases in the {group}.", HISTORY, source, "count"),
            Feature("items", "Different items of it bought.", HISTORY, source, "count"),
            Feature("visits", "Visits that hold it.", HISTORY, source, "count"),
            Feature("share", "Its share of the user's purchases.", HISTORY, source, "share"),
            Feature("recency_days", "Since the last visit that holds it.", HISTORY, source, "days"),
            Feature("gap_days", "Mean time between visits that hold it.", HISTORY, source, "days", ONE_VISIT),
            Feature("dueness", "recency_days over gap_days: 1 is due.", HISTORY, source, "ratio", ONE_VISIT),
            Feature(
                "usual_dueness", "recency_days over the mean of the user's own gaps and one as long as all users' mean gap.",
                HISTORY, source, "ratio", "nobody bought from it in two visits",
            ),
            Feature("purchases_28", "Purchases.", "28 days", source, "count"),
            Feature("purchases_90", "Purchases.", "90 days", source, "count"),
            Feature("decayed_visits", "Sum over purchases of exp(-visits since / 25).", HISTORY, source, "decayed count"),
        ),
    )  # fmt: skip


USER_SUBCATEGORY, USER_CATEGORY = _of_group("subcategory"), _of_group("category")

USER_ITEM = FeatureSet(
    "user and item of the candidate catalogue that the user has bought",
    KEY | {"item_id": pa.string()},
    (
        Feature("purchases", "Purchases: visits that hold the item.", HISTORY, PURCHASES, "count"),
        Feature("quantity", "Units bought.", HISTORY, PURCHASES, "count"),
        Feature("quantity_per_purchase", "Units a purchase.", HISTORY, PURCHASES, "ratio"),
        Feature("visit_share", "Share of the visits since the first with the item that hold it.", HISTORY, PURCHASES, "share"),
        Feature("recency_days", "Since the last purchase, from the end of the date.", HISTORY, PURCHASES, "days"),
        Feature("age_days", "Since the first purchase of the history.", HISTORY, PURCHASES, "days"),
        Feature("visits_since", "The user's visits after the last purchase.", HISTORY, PURCHASES, "count"),
        Feature("gap_days", "Mean time between purchases.", HISTORY, PURCHASES, "days", ONE_PURCHASE),
        Feature(
            "gap_std_days", "Sample deviation of the time between purchases.",
            HISTORY, PURCHASES, "days", "fewer than three purchases",
        ),
        Feature("dueness", "recency_days over gap_days: 1 is due.", HISTORY, PURCHASES, "ratio", ONE_PURCHASE),
        Feature("gap_visits", "Mean number of visits from one purchase to the next.", HISTORY, PURCHASES, "count", ONE_PURCHASE),
        Feature("visit_dueness", "visits_since over gap_visits.", HISTORY, PURCHASES, "ratio", ONE_PURCHASE),
        Feature(
            "usual_gap_days", "Mean of the user's own gaps and one as long as all users' mean gap of the item.",
            HISTORY, ITEM_PRICES, "days", "nobody bought it twice",
        ),
        Feature(
            "usual_dueness", "recency_days over usual_gap_days.", HISTORY, ITEM_PRICES, "ratio", "nobody bought it twice",
        ),
        Feature("purchases_28", "Purchases.", "28 days", PURCHASES, "count"),
        Feature("purchases_90", "Purchases.", "90 days", PURCHASES, "count"),
        Feature("purchases_182", "Purchases.", "182 days", PURCHASES, "count"),
        Feature("decayed_visits", "Sum over purchases of exp(-visits since / 25).", HISTORY, PURCHASES, "decayed count"),
        Feature("decayed_days", "Sum over purchases of exp(-days since / 90).", HISTORY, PURCHASES, "decayed count"),
        Feature(
            "last_price_ratio", "Price paid the last time over the item's regular_price_90.",
            HISTORY, ITEM_PRICES, "ratio", "one of the two is not known",
        ),
    ),
)  # fmt: skip

SEQUENCES = FeatureSet(
    "user with a purchase; three lists of equal length, the last 512 purchases, oldest first",
    KEY,
    (
        Feature("item_ids", "The items.", HISTORY, PURCHASES, "list", type=pa.list_(pa.string())),
        Feature(
            "event_ts", "When they were bought, UTC.", HISTORY, PURCHASES, "list",
            type=pa.list_(pa.timestamp("us", tz="UTC")),
        ),
        Feature("session_ids", "In which visits.", HISTORY, PURCHASES, "list", type=pa.list_(pa.string())),
    ),
)  # fmt: skip
