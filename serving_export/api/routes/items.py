"""Items beside an item."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from serving_export.api.access import REFUSED, Allow
from serving_export.api.errors import NO_RELEASE, Problem
from serving_export.api.models import ItemList, Text
from serving_export.api.recommend import item_list
from serving_export.api.routes.recommendations import answer
from serving_export.api.stores import TheStores
from serving_export.releases.lookup import Reader, find_similar

router = APIRouter(prefix="/v1", tags=["items"], responses=REFUSED, dependencies=[Depends(Allow("recommend"))])


@router.get(
    "/items/{item_id:path}/similar",
    response_model=ItemList,
    responses={404: {"model": Problem, "description": "The release holds no similar items of this one."}},
)
async def get_similar(
    item_id: Annotated[Text, Path(description="The shop's id of the item.")],
    stores: TheStores,
    limit: Annotated[int, Query(ge=1, le=200, description="Items at most.")] = 10,
) -> Response:
    """The items that the same users buy. An item has similar ones if the release recommends it."""

    async def similar(reader: Reader) -> dict[str, Any] | None:
        found = await find_similar(reader, item_id)
        return await item_list(reader, found, limit) if found else None

    found = await stores.ask(similar)
    if found is None:
        raise HTTPException(503, NO_RELEASE)
    if not found["items"]:
        raise HTTPException(404, "the release holds no similar items of this one")
    return answer(found)
