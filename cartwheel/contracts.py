"""The contracts of the platform, written once.

Landing contracts say what a shop's files hold. The raw tables' DDL, the checks on ingest and the Great
Expectations suite on `raw` all follow from them. Lake schemas say what the parts exchange: a part that
writes a dataset casts to its schema, and a part that reads it may rely on it.
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from cartwheel.features import FEATURES

EVENT_TYPES = ("impression", "view", "click", "add_to_cart", "purchase", "rating", "search")
LISTS = ("for_you", "buy_again", "discover")
CANDIDATE_SOURCES = (
    "buy_again", "ease", "als", "item_cf", "co_purchase", "content", "popular", "trending", "new_items",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One column of a landing file. `type` is a key of `POSTGRES_TYPES`."""

    name: str
    type: str
    description: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None


POSTGRES_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
    "json": "jsonb",
}


@dataclass(frozen=True)
class Contract:
    """What one kind of landing file holds: one row per `key`."""

    name: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    description: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)


INTERACTIONS = Contract(
    "interactions",
    ("event_id",),
    (
        Field("event_id", "string", "Unique id of the event.", required=True),
        Field("event_type", "string", "What the user did.", required=True, allowed=EVENT_TYPES),
        Field("user_id", "string", "Who did it.", required=True),
        Field("item_id", "string", "To which item."),
        Field("event_ts", "timestamp", "When, in UTC.", required=True),
        Field("quantity", "number", "Units; more than zero.", minimum=0.000001, maximum=1e9),
        Field("price", "number", "Price paid per unit.", minimum=0, maximum=1e9),
        Field("session_id", "string", "Basket or session."),
        Field("surface", "string", "Where in the shop: home, search, store …"),
        Field("device", "string", "web, app, till …"),
        Field("region", "string", "Region or store."),
        Field("request_id", "string", "The recommendation request this event answers."),
        Field("rank", "integer", "Position in the list shown, from 1.", minimum=1, maximum=1e6),
        Field("value", "number", "Line total of a purchase, or the stars of a rating.", minimum=-1e12, maximum=1e12),
        Field("context", "json", "Anything else, as a JSON object."),
    ),
    "What users did: one row per event.",
)

ITEMS = Contract(
    "items",
    ("item_id",),
    (
        Field("item_id", "string", "Unique id of the item.", required=True),
        Field("title", "string", "Name shown to people."),
        Field("description", "string", "Longer text."),
        Field("department", "string", "Top of the hierarchy."),
        Field("category", "string", "Middle of the hierarchy."),
        Field("subcategory", "string", "Bottom of the hierarchy."),
        Field("brand", "string", "Brand or maker."),
        Field("price", "number", "List price.", minimum=0, maximum=1e9),
        Field("image_url", "string", "Picture."),
        Field("available", "boolean", "May it be recommended? Empty means yes."),
        Field("attributes", "json", "Anything else, as a JSON object."),
    ),
    "The catalogue: one row per item, the latest file wins.",
)

USERS = Contract(
    "users",
    ("user_id",),
    (
        Field("user_id", "string", "Unique id of the user.", required=True),
        Field("age_band", "string", "For example 25-34."),
        Field("gender", "string", "As the user gave it."),
        Field("region", "string", "Home region or store."),
        Field("income_band", "string", "For example 50-74K."),
        Field("household_size", "string", "Persons in the household."),
        Field("signup_ts", "timestamp", "When the user signed up, in UTC."),
        Field("consent", "boolean", "May the user's data be used? Empty means yes."),
    ),
    "The users: one row per user, the latest file wins.",
)

ITEM_CONTEXT = Contract(
    "item_context",
    ("item_id", "starts_on", "mailer", "display"),
    (
        Field("item_id", "string", "The item.", required=True),
        Field("starts_on", "date", "First day of the promotion.", required=True),
        Field("ends_on", "date", "Last day of the promotion.", required=True),
        Field("mailer", "string", "Placement in the mailer; empty when not in it."),
        Field("display", "string", "Placement in the store; empty when not on display."),
        Field("regions", "integer", "Regions or stores where it runs.", minimum=1, maximum=1e6),
    ),
    "Promotions: one row per item, period and placement.",
)

LANDING_CONTRACTS = {c.name: c for c in (INTERACTIONS, ITEMS, USERS, ITEM_CONTEXT)}


def parse_partition_key(text: str) -> date:
    """The business date a partition key names.

    Raises:
        ValueError: it is not a date written as YYYY-MM-DD.
    """
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != text:
        raise ValueError(f"partition key {text!r} is not a date written as YYYY-MM-DD, for example 2017-12-01")
    return day


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


_text, _int, _float, _time, _day = pa.string(), pa.int32(), pa.float32(), pa.timestamp("us", tz="UTC"), pa.date32()
_scored = _schema(user_key=_text, item_id=_text, rank=_int, score=_float)

# What the score of a recommendation is traced back to: see docs/reasons.md.
REASON_GROUPS = ("own", "affinity", "similar", "price", "item", "sequence")

# One entry per dataset of the lake; each lies at <dataset>/date=<partition key>/*.parquet.
LAKE_SCHEMAS: dict[str, pa.Schema] = {
    # Exported from the marts by build_warehouse. `interactions` holds the events of that date alone,
    # `items` and `users` all that was known at its end; `users` only those whose data may be used.
    "interactions": _schema(
        event_id=_text,
        event_type=_text,
        user_key=_text,
        item_id=_text,
        event_ts=_time,
        quantity=_float,
        price=_float,
        value=_float,
        session_id=_text,
        region=_text,
        surface=_text,
        device=_text,
        rank=_int,
    ),
    "items": _schema(
        item_id=_text,
        title=_text,
        description=_text,
        department=_text,
        category=_text,
        subcategory=_text,
        brand=_text,
        price=_float,
        available=pa.bool_(),
    ),
    "users": _schema(user_key=_text, age_band=_text, region=_text, income_band=_text, household_size=_text),
    # Users whose data may not be used, as known at the end of the date. Features, candidates and training leave them
    # out of all dates' events: see docs/privacy.md.
    "no_consent": _schema(user_key=_text),
    # Promotions running on that date.
    "item_context": _schema(item_id=_text, starts_on=_day, ends_on=_day, mailer=_text, display=_text, regions=_int),
    # Features, by build_features: what each column means is in the feature catalogue, cartwheel/features/.
    **{dataset: features.schema for dataset, features in FEATURES.items()},
    # Candidates, by build_features: one dataset per source, best first (rank from 1), and their union. `buy_again`
    # names items the user has bought, `popular` those and others, all other sources only items new to the user.
    **{f"candidates/{source}": _scored for source in CANDIDATE_SOURCES},
    # One row per user and candidate item; rank and score are null where a source did not name the item. fused_score orders
    # the items new to the user, of which the best 200 are here (spark_jobs/candidates.py).
    "candidates/union": _schema(
        user_key=_text,
        item_id=_text,
        fused_score=_float,
        **{f"{source}_{what}": kind for source in CANDIDATE_SOURCES for what, kind in (("rank", _int), ("score", _float))},
    ),
    # The champion's scores: one row per user and item, candidates and the model's own; source names the best of them.
    "scores": _schema(user_key=_text, item_id=_text, score=_float, source=_text, bought=pa.bool_(), model_version=_text),
    # Why the listed items scored as they did: the baseline's logit and what each group adds to it, which together is the
    # logit of the score; and the items of the user's history that moved it, with their effects on the encoder's logit.
    "explanations": _schema(
        user_key=_text,
        item_id=_text,
        baseline=_float,
        **dict.fromkeys(REASON_GROUPS, _float),
        moved_by=pa.list_(_text),
        moved_by_effects=pa.list_(_float),
    ),
    # Popular lists for users without lists of their own; segments are `all`, `<age_band>|<income_band>` or `*` for either.
    "release_segments": _schema(segment=_text, rank=_int, item_id=_text, score=_float, reason=_text),
    # The nearest items of each item that the release shows, by who buys them: see serving_export/lists/similar.py.
    "release_similar": _schema(item_id=_text, rank=_int, similar_id=_text, score=_float),
    # A release as published: every list of every user, best first; reason is text a shop can show.
    "release": _schema(user_key=_text, list=_text, rank=_int, item_id=_text, score=_float, reason=_text),
}
