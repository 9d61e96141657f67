"""The feature catalogue: every column of every dataset `features/*` of the lake, with its meaning.

`LAKE_SCHEMAS` is built from it, so that no column can be without an entry, and the gates take their limits from the
units. `python -m cartwheel.features` writes it into docs/features.md.
"""

from cartwheel.features.context import CONTEXT, CONTEXT_ITEM
from cartwheel.features.feature import NEVER, TEXTS, UNITS, Feature, FeatureSet
from cartwheel.features.item import ITEM
from cartwheel.features.user import SEQUENCES, USER, USER_CATEGORY, USER_ITEM, USER_SUBCATEGORY

FEATURES: dict[str, FeatureSet] = {
    "features/user": USER,
    "features/item": ITEM,
    "features/user_item": USER_ITEM,
    "features/user_subcategory": USER_SUBCATEGORY,
    "features/user_category": USER_CATEGORY,
    "features/context": CONTEXT,
    "features/context_item": CONTEXT_ITEM,
    "features/sequences": SEQUENCES,
}

__all__ = ["FEATURES", "NEVER", "TEXTS", "UNITS", "Feature", "FeatureSet"]
