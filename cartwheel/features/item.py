"""The features of items."""

import pyarrow as pa

from cartwheel.features.feature import HISTORY, Feature, FeatureSet

PURCHASES = "interactions"
PLACE = "interactions, items"
NO_PURCHASE = "no purchase in the window"
NO_PRICE = "no price was paid in the window"

SALES = (
    Feature("purchases", "Purchases: visits that hold the item.", HISTORY, PURCHASES, "count"),
    Feature("buyers", "Different buyers.", HISTORY, PURCHASES, "count"),
    Feature("purchases_1", "Purchases.", "1 day", PURCHASES, "count"),
    Feature("purchases_7", "Purchases.", "7 days", PURCHASES, "count"),
    Feature("purchases_28", "Purchases.", "28 days", PURCHASES, "count"),
    Feature("purchases_90", "Purchases.", "90 days", PURCHASES, "count"),
    Feature("buyers_28", "Different buyers.", "28 days", PURCHASES, "count"),
    Feature("buyers_90", "Different buyers.", "90 days", PURCHASES, "count"),
    Feature("trend_7_28", "Purchases a day in 7 days over those in 28 days.", "28 days", PURCHASES, "ratio", NO_PURCHASE),
    Feature("trend_28_90", "Purchases a day in 28 days over those in 90 days.", "90 days", PURCHASES, "ratio", NO_PURCHASE),
    Feature("repeat_rate", "Share of the buyers who bought again.", HISTORY, PURCHASES, "share"),
    Feature("repeat_share_90", "Share of purchases by earlier buyers.", "90 days", PURCHASES, "share", NO_PURCHASE),
    Feature("gap_days", "Mean time between purchases of one user.", HISTORY, PURCHASES, "days", "nobody bought it twice"),
    Feature("gap_std_days", "Sample deviation of that time.", HISTORY, PURCHASES, "days", "fewer than two such gaps"),
    Feature("recency_days", "Since the last purchase by anyone.", HISTORY, PURCHASES, "days"),
    Feature("age_days", "Since the first purchase by anyone.", HISTORY, PURCHASES, "days"),
)
PRICE = (
    Feature("price", "List price, else the mean price paid.", HISTORY, PLACE, "money", "neither is known"),
    Feature(
        "regular_price_90", "The price that three quarters of the purchases did not exceed.",
        "90 days", PURCHASES, "money", NO_PRICE,
    ),
    Feature("price_paid_28", "Mean price paid.", "28 days", PURCHASES, "money", NO_PRICE),
    Feature(
        "price_change_28_90", "Logarithm of the mean price paid in 28 days over that of the 90 days before them.",
        "118 days", PURCHASES, "change", "no price above zero was paid in one of the two",
    ),
    Feature(
        "price_change_7_90", "Logarithm of the mean price paid in 7 days over regular_price_90.",
        "90 days", PURCHASES, "change", "no price above zero was paid in 7 days",
    ),
    Feature(
        "price_spread_90", "Depth of discounts: 1 - lowest over highest price paid, both without the outer tenth of purchases.",
        "90 days", PURCHASES, "share", "no price above zero was paid in the window",
    ),
    Feature(
        "reduced_share_90", "Share of purchases at less than 95 % of regular_price_90.",
        "90 days", PURCHASES, "share", NO_PRICE,
    ),
    Feature(
        "price_to_subcategory", "Logarithm of price over the median price of its subcategory's candidates.",
        HISTORY, PLACE, "change", "no subcategory, or no price above zero",
    ),
)  # fmt: skip
HIERARCHY = tuple(
    feature
    for kind in ("subcategory", "category")
    for feature in (
        Feature(f"{kind}_items", f"Candidates in its {kind}.", "date", PLACE, "count", f"no {kind}"),
        Feature(f"{kind}_purchases_90", f"Purchases of the candidates in its {kind}.", "90 days", PLACE, "count", f"no {kind}"),
        Feature(f"{kind}_share_90", "Its own share of them.", "90 days", PLACE, "share", f"no {kind}, or no purchase in it"),
        Feature(f"{kind}_rank_90", "Its own place among them: 1 is bought most.", "90 days", PLACE, "rank", f"no {kind}"),
    )
)
BRAND = (
    Feature("brand_items", "Candidates of its brand.", "date", PLACE, "count", "no brand"),
    Feature(
        "brand_share_90", "Its brand's share of the purchases of all candidates with a brand.",
        "90 days", PLACE, "share", "no brand, or no purchase at all",
    ),
    Feature("brand_rank_90", "Its brand's place by purchases: 1 is the shop's biggest.", "90 days", PLACE, "rank", "no brand"),
    Feature(
        "brand_of_subcategory_share_90", "Its brand's share of the purchases of its subcategory's candidates.",
        "90 days", PLACE, "share", "no brand, no subcategory, or no purchase in it",
    ),
)  # fmt: skip
TEXT = (
    Feature("title_words", "Different words and numbers in the title.", "date", "items", "count", "no title"),
    Feature("title_characters", "Length of the title.", "date", "items", "count", "no title"),
    Feature("title_number", "First number in the title: often the size of the pack.", "date", "items", "number", "no number"),
    Feature("description_words", "Different words and numbers in the description; 0 without one.", "date", "items", "count"),
    *(
        Feature(
            f"text_{place}", f"Words of title and description, projected by their hashes: direction {place} of 8.",
            "date", "items", "coordinate", "no words, or they cancel out",
        )
        for place in range(1, 9)
    ),
)  # fmt: skip
PROMOTION = (
    Feature("mailer_regions", "Regions where it is in the mailer.", "date", "item_context", "count"),
    Feature("display_regions", "Regions where it is on display.", "date", "item_context", "count"),
    Feature(
        "promotion_days", "Since the first day of the earliest of its promotions that run.",
        "date", "item_context", "days", "no promotion runs, or its start is not known",
    ),
    Feature(
        "promotion_days_left", "Until the last day of the latest of its promotions that run.",
        "date", "item_context", "days", "no promotion runs, or its end is not known",
    ),
)  # fmt: skip

ITEM = FeatureSet(
    "item of the candidate catalogue",
    {"item_id": pa.string()},
    (*SALES, *PRICE, *HIERARCHY, *BRAND, *TEXT, *PROMOTION),
)
