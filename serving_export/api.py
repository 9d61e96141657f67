"""The recommendation API: answers from Redis, and from PostgreSQL when Redis cannot.

    uvicorn serving_export.api:app

Reads the keys `cw:*` and, as a role that can read nothing else, the schema `serving`. It needs no release to start.
"""

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import psycopg
import redis
import structlog
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from cartwheel.settings import get_settings
from serving_export.lookup import Answer, IncompleteBuildError, recommend
from serving_export.pool import Pool
from serving_export.postgres_store import PostgresStore
from serving_export.redis_store import RedisStore
from serving_export.store import Store

log = structlog.get_logger()

REDIS_TIMEOUT_S = 0.5
NO_RELEASE = "no release has been published yet"

app = FastAPI(
    title="Cartwheel",
    version="1",
    description="Recommendations of the release that is served. Errors are one sentence in `detail`.",
)


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


@lru_cache
def redis_store() -> RedisStore:
    return RedisStore(get_settings().redis_url, timeout_s=REDIS_TIMEOUT_S)


@lru_cache
def postgres_store() -> PostgresStore:
    return PostgresStore(Pool(get_settings().api_postgres_dsn).session)


RedisDependency = Annotated[RedisStore, Depends(redis_store)]
PostgresDependency = Annotated[PostgresStore, Depends(postgres_store)]


@app.get("/v1/users/{user_id}/recommendations")
def get_recommendations(
    user_id: str,
    online: RedisDependency,
    warehouse: PostgresDependency,
    list: Literal["for_you", "buy_again", "discover"] = "for_you",
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
    age_band: Annotated[str | None, Query(description="Of a user the release does not know.")] = None,
    income_band: Annotated[str | None, Query(description="Of a user the release does not know.")] = None,
) -> Recommendations:
    """One list of a user. An unknown user gets the popular list of the closest known segment."""
    for store, answer in _answers((online, warehouse), user_id, list, limit, age_band, income_band):
        if answer is not None:
            items = [
                Recommendation(**item._asdict(), rank=rank, title=answer.titles.get(item.item_id))
                for rank, item in enumerate(answer.items, start=1)
            ]
            source: Any = "popular" if answer.segment else store.name
            return Recommendations(
                release=answer.release, user_id=user_id, list=list, source=source, segment=answer.segment, items=items
            )
    raise HTTPException(503, NO_RELEASE)


def _answers(stores: tuple[Store, ...], *request: Any) -> Iterator[tuple[Store, Answer | None]]:
    """Each store's answer, in turn; stores that fail are passed over, unless none is left.

    Raises:
        HTTPException: no store could be asked.
    """
    failed = 0
    for store in stores:
        try:
            answer = recommend(store, *request)
        except (redis.RedisError, psycopg.Error, IncompleteBuildError, ValueError) as error:
            log.warning("store failed", store=store.name, error=f"{type(error).__name__}: {error}".splitlines()[0])
            failed += 1
        else:
            yield store, answer
    if failed == len(stores):
        raise HTTPException(503, "neither Redis nor PostgreSQL can be reached")


@app.get("/v1/releases")
def get_releases(store: PostgresDependency) -> list[Release]:
    """Every loaded release, latest first."""
    try:
        return [Release(**row) for row in store.releases()]
    except psycopg.Error as error:
        log.warning("store failed", store=store.name, error=type(error).__name__)
        raise HTTPException(503, "PostgreSQL cannot be reached") from None


@app.get("/v1/releases/current")
def get_current_release(store: PostgresDependency) -> Release:
    """The release that is served."""
    for release in get_releases(store):
        if release.status == "serving":
            return release
    raise HTTPException(503, NO_RELEASE)


@app.get("/health")
def get_health() -> dict[str, str]:
    """The process is up."""
    return {"status": "ok"}


@app.get("/ready")
def get_ready(online: RedisDependency, warehouse: PostgresDependency) -> JSONResponse:
    """Whether each store answers, and which release it serves; 503 unless both do."""
    states: dict[str, dict[str, str | None]] = {}
    for store in (online, warehouse):
        try:
            states[store.name] = {"status": "ok", "build": store.current()}
        except (redis.RedisError, psycopg.Error) as error:
            states[store.name] = {"status": "failed", "error": type(error).__name__}
    ready = all(state["status"] == "ok" for state in states.values())
    return JSONResponse(states, 200 if ready else 503)


@app.get("/", response_class=HTMLResponse, include_in_schema=False)
def get_landing_page() -> str:
    """Where to go from here."""
    return LANDING_PAGE


@app.exception_handler(RequestValidationError)
def explain_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """What is wrong with the request, as one sentence."""
    problems = (f"{problem['loc'][-1]}: {problem['msg'][0].lower()}{problem['msg'][1:]}" for problem in error.errors())
    return JSONResponse({"detail": "; ".join(problems)}, 422)


@app.exception_handler(StarletteHTTPException)
def explain_http_error(request: Request, error: StarletteHTTPException) -> JSONResponse:
    """Errors as one sentence, unknown addresses too."""
    unknown = error.status_code == 404 and error.detail == "Not Found"
    detail = f"there is nothing at {request.url.path}; / lists the addresses" if unknown else error.detail
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


LANDING_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cartwheel</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>Cartwheel</h1>
<p>Recommendations of the release that is served.</p>
<ul>
<li><a href="/v1/users/1/recommendations?list=for_you&amp;limit=10">/v1/users/{user_id}/recommendations</a>:
the lists <code>for_you</code>, <code>buy_again</code> and <code>discover</code> of a user</li>
<li><a href="/v1/releases">/v1/releases</a>: the releases that are loaded</li>
<li><a href="/v1/releases/current">/v1/releases/current</a>: the one that is served</li>
<li><a href="/ready">/ready</a>: whether both stores answer</li>
<li><a href="/docs">/docs</a> and <a href="/openapi.json">/openapi.json</a>: the whole interface</li>
</ul>
</html>
"""
