"""The features of users, and of users with a subcategory or an item."""

import pyarrow as pa

from cartwheel.features.feature import HISTORY, Feature, FeatureSet

PURCHASES = "interactions"
ONE_VISIT = "fewer than two visits"
ONE_PURCHASE = "fewer than two purchases"
KEY = {"user_key": pa.string()}

USER = FeatureSet(
    "user with a purchase",
    KEY,
    (
        Feature("purchases", "Purchases: one item in one visit.", HISTORY, PURCHASES, "count"),
        Feature("visits", "Visits: sessions with a purchase.", HISTORY, PURCHASES, "count"),
        Feature("items", "Different items bought.", HISTORY, PURCHASES, "count"),
        Feature("recency_days", "Since the last visit, from the end of the date.", HISTORY, PURCHASES, "days"),
        Feature("gap_days", "Mean time between visits.", HISTORY, PURCHASES, "days", ONE_VISIT),
        Feature("basket_items", "Purchases a visit.", HISTORY, PURCHASES, "ratio"),
        Feature("spend_per_visit", "Money spent a visit.", HISTORY, PURCHASES, "balance", "no purchase has a value"),
        Feature("visits_28", "Visits.", "28 days", PURCHASES, "count"),
        Feature("visits_90", "Visits.", "90 days", PURCHASES, "count"),
        Feature("purchases_28", "Purchases.", "28 days", PURCHASES, "count"),
        Feature("purchases_90", "Purchases.", "90 days", PURCHASES, "count"),
        Feature(
            "novelty_rate_90", "Share of the window's purchases that were the user's first of their item.",
            "90 days", PURCHASES, "share", "no purchase in the window",
        ),
    ),
)  # fmt: skip

USER_SUBCATEGORY = FeatureSet(
    "user and subcategory bought from, over all items",
    KEY | {"subcategory": pa.string()},
    (
        Feature("purchases", "Purchases in the subcategory.", HISTORY, "interactions, items", "count"),
        Feature("items", "Different items of it bought.", HISTORY, "interactions, items", "count"),
        Feature("recency_days", "Since the last visit that holds it.", HISTORY, "interactions, items", "days"),
        Feature("gap_days", "Mean time between visits that hold it.", HISTORY, "interactions, items", "days", ONE_VISIT),
        Feature("dueness", "recency_days over gap_days: 1 is due.", HISTORY, "interactions, items", "ratio", ONE_VISIT),
        Feature("purchases_28", "Purchases.", "28 days", "interactions, items", "count"),
        Feature("purchases_90", "Purchases.", "90 days", "interactions, items", "count"),
        Feature(
            "decayed_visits", "Sum over purchases of exp(-visits since / 25).",
            HISTORY, "interactions, items", "decayed count",
        ),
    ),
)  # fmt: skip

USER_ITEM = FeatureSet(
    "user and item of the candidate catalogue that the user has bought",
    KEY | {"item_id": pa.string()},
    (
        Feature("purchases", "Purchases: visits that hold the item.", HISTORY, PURCHASES, "count"),
        Feature("quantity", "Units bought.", HISTORY, PURCHASES, "count"),
        Feature("recency_days", "Since the last purchase, from the end of the date.", HISTORY, PURCHASES, "days"),
        Feature("visits_since", "The user's visits after the last purchase.", HISTORY, PURCHASES, "count"),
        Feature("gap_days", "Mean time between purchases.", HISTORY, PURCHASES, "days", ONE_PURCHASE),
        Feature(
            "gap_std_days", "Sample deviation of the time between purchases.",
            HISTORY, PURCHASES, "days", "fewer than three purchases",
        ),
        Feature("dueness", "recency_days over gap_days: 1 is due.", HISTORY, PURCHASES, "ratio", ONE_PURCHASE),
        Feature("purchases_28", "Purchases.", "28 days", PURCHASES, "count"),
        Feature("purchases_90", "Purchases.", "90 days", PURCHASES, "count"),
        Feature("purchases_182", "Purchases.", "182 days", PURCHASES, "count"),
        Feature("decayed_visits", "Sum over purchases of exp(-visits since / 25).", HISTORY, PURCHASES, "decayed count"),
        Feature("decayed_days", "Sum over purchases of exp(-days since / 90).", HISTORY, PURCHASES, "decayed count"),
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
