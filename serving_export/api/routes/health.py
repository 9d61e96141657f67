"""Whether the API works, and where to go from its first page. None of these needs a key."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from serving_export.api.stores import STORE_ERRORS, TheStores

router = APIRouter(tags=["health"])


@router.get("/health")
async def get_health() -> dict[str, str]:
    """The process is up."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "There is nothing to answer with."}})
async def get_ready(stores: TheStores) -> JSONResponse:
    """Whether each store answers, and which build it serves; 503 if neither does and no popular list is remembered."""
    states: dict[str, dict[str, str | None]] = {}
    for reader in stores.readers:
        try:
            read = await reader.read([])
            states[reader.name] = {"status": "ok", "build": read and read[0]}
        except STORE_ERRORS as error:
            states[reader.name] = {"status": "failed", "error": type(error).__name__}
    ready = stores.popular is not None or any(state["status"] == "ok" for state in states.values())
    return JSONResponse(states, 200 if ready else 503)


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def get_landing_page() -> str:
    """Where to go from here."""
    return LANDING_PAGE


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
<li><a href="/ready">/ready</a>: whether there is something to answer with, and how each store is</li>
<li><a href="/docs">/docs</a> and <a href="/openapi.json">/openapi.json</a>: the whole interface</li>
</ul>
</html>
"""
