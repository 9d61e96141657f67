"""One list for one request: found, put in order for its context, given titles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fastapi import HTTPException
from prometheus_client import Counter

from serving_export.api.context import reordered
from serving_export.api.errors import NO_RELEASE
from serving_export.api.metrics import ANSWERS
from serving_export.api.models import ListRequest
from serving_export.api.records import ShownList, new_id
from serving_export.api.stores import Stores
from serving_export.releases.lookup import Found, Reader, find
from serving_export.releases.packing import Item


@dataclass(frozen=True)
class Shown:
    """A list as it is answered."""

    release: str
    source: str
    segment: str | None
    items: list[Item]
    titles: dict[str, str]
    context_used: list[str]


async def recommend(stores: Stores, user_id: str, wanted: ListRequest) -> Shown:
    """The list that is wanted for a user; without any store, the popular list that this process remembers.

    Raises:
        HTTPException: 503, there is nothing to answer with.
    """
    shown = await stores.ask_or_recall(lambda reader: read_list(reader, user_id, wanted))
    if shown is None:
        raise HTTPException(503, NO_RELEASE)
    _answers(shown.source).inc()
    return shown


@lru_cache
def _answers(source: str) -> Counter:
    return ANSWERS.labels(source)


async def read_list(reader: Reader, user_id: str, wanted: ListRequest) -> Shown | None:
    """The list that is wanted for a user, from one store; None without a release."""
    first = None if wanted.says_something() else wanted.limit  # what moves up may come from anywhere in the list
    found = await find(reader, user_id, wanted.list, wanted.age_band, wanted.income_band, first)
    if found is None:
        return None
    items, used = await reordered(reader, found, wanted) if wanted.says_something() else (found.items, [])
    items = items[: wanted.limit]
    titles = await reader.facts(found.build, "title", [item.item_id for item in items])
    source = "popular" if found.segment else reader.name
    return Shown(found.release, source, found.segment, items, titles, used)


def body(user_id: str, wanted: ListRequest, shown: Shown) -> dict[str, Any]:
    """The answer, as `models.Recommendations`."""
    return {
        "release": shown.release, "user_id": user_id, "list": wanted.list, "source": shown.source, "segment": shown.segment,
        "context_used": shown.context_used, "items": ranked(shown.items, shown.titles),
    }  # fmt: skip


async def item_list(reader: Reader, found: Found, limit: int) -> dict[str, Any]:
    """A list that is nobody's own, as `models.ItemList`."""
    items = found.items[:limit]
    titles = await reader.facts(found.build, "title", [item.item_id for item in items])
    return {"release": found.release, "source": reader.name, "segment": found.segment, "items": ranked(items, titles)}


def ranked(items: Sequence[Item], titles: dict[str, str]) -> list[dict[str, Any]]:
    """Items as `models.Recommendation`."""
    return [
        {"item_id": item_id, "rank": rank, "score": score, "reason": reason, "title": titles.get(item_id)}
        for rank, (item_id, score, reason) in enumerate(items, start=1)
    ]


def record(user_id: str, request_id: str, wanted: ListRequest, shown: Shown) -> ShownList:
    """What the journal keeps of an answer.

    The variant is the caller's. The API assigns nobody: a release already holds the lists of each user's variants.
    """
    return ShownList(
        new_id(), datetime.now(UTC), user_id, request_id, wanted.list, shown.release, [item.item_id for item in shown.items],
        wanted.surface, wanted.device, wanted.region, wanted.variant,
    )  # fmt: skip
