"""What the API answers, as its documentation shows it."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field


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
        description="The store that answered; `popular` when the user is unknown and gets the popular list of `segment`."
    )
    segment: str | None = None
    items: list[Recommendation]


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
