"""The lists of users."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query

from serving_export.api.errors import NO_RELEASE, UNAVAILABLE
from serving_export.api.models import Recommendation, Recommendations
from serving_export.api.stores import TheStores
from serving_export.lookup import Found, Reader, find

router = APIRouter(prefix="/v1", tags=["recommendations"], responses=UNAVAILABLE)


@router.get("/users/{user_id}/recommendations")
async def get_recommendations(
    user_id: str,
    stores: TheStores,
    list: Literal["for_you", "buy_again", "discover"] = "for_you",
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
    age_band: Annotated[str | None, Query(description="Of a user the release does not know.")] = None,
    income_band: Annotated[str | None, Query(description="Of a user the release does not know.")] = None,
) -> Recommendations:
    """One list of a user. An unknown user gets the popular list of the closest known segment."""

    async def answer(reader: Reader) -> tuple[Found, dict[str, str]] | None:
        found = await find(reader, user_id, list, age_band, income_band)
        shown = found and [item.item_id for item in found.items[:limit]]
        return found and (found, await reader.facts(found.build, "title", shown or []))

    answered = await stores.ask(answer)
    if answered is None:
        raise HTTPException(503, NO_RELEASE)
    reader, (found, titles) = answered
    items = [
        Recommendation(**item._asdict(), rank=rank, title=titles.get(item.item_id))
        for rank, item in enumerate(found.items[:limit], start=1)
    ]
    source: Any = "popular" if found.segment else reader.name
    return Recommendations(release=found.release, user_id=user_id, list=list, source=source, segment=found.segment, items=items)
