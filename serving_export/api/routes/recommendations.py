"""The lists of users, of one and of many; why an item is in a list; what is popular."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from serving_export.api.access import REFUSED, Allow, charge
from serving_export.api.bodies import TOO_LARGE
from serving_export.api.errors import NO_RELEASE, Problem
from serving_export.api.models import (
    ItemList,
    ListName,
    ListRequest,
    ManyRecommendations,
    Reason,
    Recommendations,
    Text,
    UserRequest,
    UsersRequest,
)
from serving_export.api.query import parameters_of, read_query
from serving_export.api.recommend import Shown, body, item_list, ranked, read_list, recommend, record
from serving_export.api.stores import TheStores
from serving_export.releases.lookup import Reader, find_popular
from serving_export.segments import segment_chain

allow = Allow("recommend")
router = APIRouter(prefix="/v1", tags=["recommendations"], responses=REFUSED)
allowed = [Depends(allow)]
busiest = APIRouter(prefix="/v1", tags=["recommendations"], responses=REFUSED)
UserId = Annotated[Text, Path(description="The shop's id of the user.")]
EXCLUDE = frozenset({"exclude"})
_encode = msgspec.json.Encoder().encode  # of dictionaries in the form of the models: twenty times faster than these


def answer(content: Any) -> Response:
    return Response(_encode(content), media_type="application/json")


@busiest.get(
    "/users/{user_id:path}/recommendations",
    response_model=Recommendations,
    responses={422: {"model": Problem, "description": "A parameter is wrong."}},
    openapi_extra=parameters_of(UserRequest, "user_id") | {"security": [{allow.scheme_name: []}]},
)
async def get_recommendations(request: Request) -> Response:
    """One list of a user. An unknown user gets the popular list of the closest known segment.

    What the request says of its context moves items within the list; `context_used` names what had an effect.
    """
    await allow(request)
    wanted = read_query(request, UserRequest, many=EXCLUDE)
    shown = await recommend(request.app.state.stores, wanted.user_id, wanted)
    _note(request, wanted.user_id, wanted, shown)
    return answer(body(wanted.user_id, wanted, shown))


@router.post(
    "/recommendations",
    dependencies=allowed,
    response_model=ManyRecommendations,
    responses={413: {"model": Problem, "description": TOO_LARGE}},
)
async def post_recommendations(request: Request, wanted: UsersRequest, stores: TheStores) -> Response:
    """One list for each of up to 200 users. It counts as so many requests."""
    charge(request, len(wanted.user_ids), paid=1)
    found = await asyncio.gather(*(recommend(stores, user_id, wanted) for user_id in wanted.user_ids))
    for user_id, shown in zip(wanted.user_ids, found, strict=True):
        _note(request, user_id, wanted, shown)
    results = [body(user_id, wanted, shown) for user_id, shown in zip(wanted.user_ids, found, strict=True)]
    return answer({"results": results})


@router.get(
    "/users/{user_id:path}/recommendations/{item_id:path}/reason",
    dependencies=allowed,
    response_model=Reason,
    responses={404: {"model": Problem, "description": "The item is not in this list of the user."}},
)
async def get_reason(
    user_id: UserId, item_id: Annotated[Text, Path(description="The item.")], stores: TheStores, list: ListName = "for_you"
) -> Response:
    """Why an item is recommended to a user, and at which rank of the list."""
    wanted = ListRequest(list=list, limit=200, shown=False)
    shown = await stores.ask(lambda reader: read_list(reader, user_id, wanted))
    if shown is None:
        raise HTTPException(503, NO_RELEASE)
    items = [] if shown.segment else [item for item in ranked(shown.items, shown.titles) if item["item_id"] == item_id]
    if not items:
        raise HTTPException(404, "this item is not in this list of this user")
    return answer({"release": shown.release, "user_id": user_id, "list": list, "item": items[0]})


@router.get("/popular", dependencies=allowed, response_model=ItemList)
async def get_popular(
    stores: TheStores,
    age_band: Annotated[Text | None, Query(description="Of the segment.")] = None,
    income_band: Annotated[Text | None, Query(description="Of the segment.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items at most.")] = 10,
) -> Response:
    """What most users of a segment bought lately; of the closest segment that has a list."""
    chain = segment_chain(age_band, income_band)

    async def popular(reader: Reader) -> dict[str, Any] | None:
        found = await find_popular(reader, chain, limit)
        return await item_list(reader, found, limit) if found else None

    found = await stores.ask_or_recall(popular)
    if found is None:
        raise HTTPException(503, NO_RELEASE)
    return answer(found)


def _note(request: Request, user_id: str, wanted: ListRequest, shown: Shown) -> None:
    """Impressions of a list that the caller shows."""
    if wanted.shown and shown.items:
        request.app.state.impressions.note(record(user_id, request.scope["state"]["request_id"], wanted, shown))
