"""The application: routers, stores, access, journal and error pages put together. What it answers is in `routes/`."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI
from starlette.routing import Route

from cartwheel.settings import get_settings
from serving_export import explorer
from serving_export.api import errors
from serving_export.api.access import Access
from serving_export.api.bodies import LimitBody
from serving_export.api.impressions import Impressions
from serving_export.api.journal import Journal
from serving_export.api.keys import Keys
from serving_export.api.observe import Observe, log_as_json
from serving_export.api.query import Shortcut
from serving_export.api.routes import events, health, items, metrics, recommendations, releases
from serving_export.api.stores import Stores, remember_now_and_then, settings_stores
from serving_export.api.uploads import upload_now_and_then

DESCRIPTION = """Recommendations of the release that is served, and the way back of what users did.

Errors are one sentence in `detail`. Every answer has an `X-Request-ID`, the caller's own if it sent one. Keys, limits and
all else are in docs/api.md."""
ROUTERS = (
    recommendations.busiest,
    recommendations.router,
    items.router,
    releases.router,
    events.router,
    metrics.router,
    health.router,
)


def create_app(stores: Stores | None = None, access: Access | None = None, journal: Journal | None = None) -> FastAPI:
    """An application over these parts; by default over those of the settings."""
    app = FastAPI(title="Cartwheel", version="1", description=DESCRIPTION, lifespan=_lifespan)
    settings = get_settings()
    app.state.stores = stores or settings_stores()
    app.state.access = access or Access(
        Keys(app.state.stores.warehouse.session), settings.api_requests_per_s, settings.api_open_recommendations
    )
    app.state.journal = journal or Journal(settings.api_journal_dir)
    app.state.impressions = Impressions(app.state.journal)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/explorer", explorer.app)
    errors.explain(app)
    app.add_middleware(LimitBody)
    app.add_middleware(Shortcut, route=cast(Route, recommendations.busiest.routes[0]))
    app.add_middleware(Observe)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """While it runs, events go to the landing bucket, and the popular list is kept at hand."""
    log_as_json()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: walking through it again would hold up requests for tenths of a second
    every_s = get_settings().api_upload_every_s
    tasks = [
        asyncio.create_task(upload_now_and_then(app.state.journal, every_s)),
        asyncio.create_task(remember_now_and_then(app.state.stores)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    app.state.impressions.write()
    await app.state.journal.close()
    await app.state.stores.online.close()
