"""What the API is asked and what it answers, as its documentation shows it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from cartwheel.contracts import INTERACTIONS
from cartwheel.contracts import Field as ContractField

MAX_USERS, MAX_EVENTS, MAX_EXCLUDED = 200, 1000, 500
Text = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]  # not blank: ingest takes none
VARIANT = r"^[a-z][a-z0-9_]{0,62}:[a-z][a-z0-9_]{0,62}$"
ListName = Literal["for_you", "buy_again", "discover"]


class Context(BaseModel):
    """The moment and the place of a request; all of it may be left out."""

    hour: int | None = Field(None, ge=0, le=23, description="Hour of the day in UTC: moves up what is bought then.")
    device: Text | None = Field(None, description="As in the events: web, app … moves up what is bought on it.")
    region: Text | None = Field(None, description="As in the events: moves up what is bought there.")
    page_item: Text | None = Field(None, description="The item on the page: moves up similar ones, and is left out itself.")
    exclude: list[Text] = Field(default_factory=list, max_length=MAX_EXCLUDED, description="Items to leave out: the basket.")

    def says_something(self) -> bool:
        return not _CONTEXT.isdisjoint(self.model_fields_set)


_CONTEXT = frozenset(Context.model_fields)


class ListRequest(Context):
    """Which list, and for what."""

    model_config = ConfigDict(extra="forbid")

    list: ListName = Field("for_you", description="Which of a user's lists.")
    limit: int = Field(10, ge=1, le=200, description="Items at most.")
    age_band: Text | None = Field(None, description="Of a user whom the release does not know.")
    income_band: Text | None = Field(None, description="Of a user whom the release does not know.")
    surface: Text | None = Field(None, description="Where the list is shown; goes into the impressions.")
    variant: Annotated[str, StringConstraints(pattern=VARIANT)] | None = Field(
        None, description="Which variant of which experiment was shown, `experiment:variant`; goes into the impressions."
    )
    shown: bool = Field(True, description="Whether the list is shown to the user: if so, impressions are recorded.")


class UserRequest(ListRequest):
    """One list of one user."""

    user_id: Text = Field(description="The shop's id of the user.")


class UsersRequest(ListRequest):
    """One list of many users."""

    user_ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_USERS, description="The shop's ids.")]  # type: ignore[valid-type]


class Recommendation(BaseModel):
    item_id: str
    rank: int = Field(description="From 1, best first.")
    score: float = Field(description="The ranker's score; comparable within one list.")
    reason: str = Field(description="Why, in words to show.")
    title: str | None = None


class Recommendations(BaseModel):
    release: str
    user_id: str
    list_name: str = Field(alias="list")
    source: Literal["redis", "postgresql", "popular"] = Field(
        description="The store that answered; `popular` for the popular list of `segment`: the user is unknown, or"
        " neither store can be reached."
    )
    segment: str | None = Field(description="Whose popular list this is.")
    context_used: list[str] = Field(description="The parts of the context that moved or removed something.")
    items: list[Recommendation]


class ManyRecommendations(BaseModel):
    results: list[Recommendations] = Field(description="In the order of `user_ids`.")


class ItemList(BaseModel):
    release: str
    source: Literal["redis", "postgresql", "popular"]
    items: list[Recommendation]


class Reason(BaseModel):
    release: str
    user_id: str
    list_name: str = Field(alias="list")
    item: Recommendation


class Release(BaseModel):
    release_id: str
    partition_date: date
    model_version: str
    status: Literal["serving", "loaded"]
    users: int
    rows: int
    checksum: str
    created_at: datetime
    switched_at: datetime | None


_TYPES: dict[str, Any] = {
    "string": Annotated[str, StringConstraints(max_length=8192, pattern=r"^[^\x00]*$")],
    "integer": Annotated[int, Field(strict=True)],
    "number": Annotated[float, Field(strict=True, allow_inf_nan=False)],
    "timestamp": datetime,
    "json": dict[str, Any],
}


def _of_contract(field: ContractField) -> Any:
    """A field of the landing contract as one of a model."""
    kind = Literal[field.allowed] if field.allowed else _TYPES[field.type]
    limits: dict[str, Any] = {"description": field.description, "ge": field.minimum, "le": field.maximum}
    if field.name.endswith("_id"):
        limits |= {"max_length": 128, "min_length": 1}
    return (kind, Field(**limits)) if field.required else (kind | None, Field(None, **limits))


Event = create_model(  # type: ignore[call-overload]
    "Event",
    __config__=ConfigDict(extra="forbid"),
    __doc__="One event, as in the landing contract `interactions`.",
    **{field.name: _of_contract(field) for field in INTERACTIONS.fields},
)


class EventBatch(BaseModel):
    events: Annotated[list[Event], Field(min_length=1, max_length=MAX_EVENTS)]  # type: ignore[valid-type]


class RejectedEvent(BaseModel):
    row: int = Field(description="Its place in `events`, from 0.")
    event_id: str | None = Field(description="Its id, if it has one.")
    problems: list[str] = Field(description="What is wrong, field by field.")


class EventsAccepted(BaseModel):
    accepted: int = Field(description="Events that are safe on disk and will be loaded.")
    rejected: list[RejectedEvent] = Field(description="Events that were not taken; send them again when mended.")
