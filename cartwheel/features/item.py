"""The features of items."""

import pyarrow as pa

from cartwheel.features.feature import HISTORY, Feature, FeatureSet

PURCHASES = "interactions"

ITEM = FeatureSet(
    "item of the candidate catalogue",
    {"item_id": pa.string()},
    (
        Feature("purchases", "Purchases: visits that hold the item.", HISTORY, PURCHASES, "count"),
        Feature("buyers", "Different buyers.", HISTORY, PURCHASES, "count"),
        Feature("purchases_7", "Purchases.", "7 days", PURCHASES, "count"),
        Feature("purchases_28", "Purchases.", "28 days", PURCHASES, "count"),
        Feature("purchases_90", "Purchases.", "90 days", PURCHASES, "count"),
        Feature("buyers_28", "Different buyers whose last purchase lies in the window.", "28 days", PURCHASES, "count"),
        Feature("buyers_90", "Different buyers whose last purchase lies in the window.", "90 days", PURCHASES, "count"),
        Feature(
            "trend_28_90", "Purchases a day in 28 days over those in 90 days.",
            "90 days", PURCHASES, "ratio", "no purchase in 90 days",
        ),
        Feature("repeat_rate", "Share of the buyers who bought again.", HISTORY, PURCHASES, "share"),
        Feature("gap_days", "Mean time between purchases of one user.", HISTORY, PURCHASES, "days", "nobody bought it twice"),
        Feature("recency_days", "Since the last purchase by anyone.", HISTORY, PURCHASES, "days"),
        Feature("age_days", "Since the first purchase by anyone.", HISTORY, PURCHASES, "days"),
        Feature(
            "price", "List price, else the mean price paid.", "date", "items, interactions", "money",
            "neither is known",
        ),
        Feature("mailer_regions", "Regions where it is in the mailer.", "date", "item_context", "count"),
        Feature("display_regions", "Regions where it is on display.", "date", "item_context", "count"),
    ),
)  # fmt: skip
