"""The features of contexts: of the days ahead, and of items in a part of the day, a season, a region, on a device."""

import pyarrow as pa

from cartwheel.features.feature import HISTORY, Feature, FeatureSet

CALENDAR = "calendar"
AHEAD = "28 days ahead"
FAR = "none within 60 days"

CONTEXT = FeatureSet(
    "day of the 28 days after the date",
    {"day": pa.date32()},
    (
        Feature("weekday", "Day of the week: 1 is Monday.", AHEAD, CALENDAR, "number"),
        Feature("month", "Month of the year: 1 is January.", AHEAD, CALENDAR, "number"),
        Feature("season", "1 winter (December to February), 2 spring, 3 summer, 4 autumn.", AHEAD, CALENDAR, "number"),
        Feature("year_sine", "Sine of the day's angle in the year: 1 at the beginning of April.", AHEAD, CALENDAR, "coordinate"),
        Feature("year_cosine", "Cosine of that angle: 1 on New Year's Day.", AHEAD, CALENDAR, "coordinate"),
        Feature("days_to_holiday", "Until the next public holiday; 0 on one.", AHEAD, CALENDAR, "days", FAR),
        Feature("days_since_holiday", "Since the last public holiday; 0 on one.", AHEAD, CALENDAR, "days", FAR),
        Feature(
            "weekday_lift_90", "Logarithm of the purchases on that weekday over those on an average one.",
            "90 days", "interactions", "log lift", "no purchase on that weekday",
        ),
    ),
)  # fmt: skip

CONTEXT_ITEM = FeatureSet(
    "context, value of it and candidate item bought in it at least twice",
    {"context": pa.string(), "value": pa.string(), "item_id": pa.string()},
    (
        Feature("purchases", "Purchases of the item in the context.", HISTORY, "interactions", "count"),
        Feature("share", "Share of the item's purchases that were made in it.", HISTORY, "interactions", "share"),
        Feature(
            "log_lift", "Logarithm of the purchases over those expected of an item that sells like the whole shop,"
            " 20 more of either kind added: 0 is as usual.",
            HISTORY, "interactions", "log lift",
        ),
    ),
)  # fmt: skip
