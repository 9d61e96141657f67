"""The application: routers, stores and error pages put together. What it answers is in `routes/`."""

from fastapi import FastAPI

from serving_export.api import errors
from serving_export.api.routes import health, recommendations, releases
from serving_export.api.stores import Stores, settings_stores

DESCRIPTION = "Recommendations of the release that is served. Errors are one sentence in `detail`."


def create_app(stores: Stores | None = None) -> FastAPI:
    """An application over these stores; by default over those of the settings."""
    app = FastAPI(title="Cartwheel", version="1", description=DESCRIPTION)
    app.state.stores = stores or settings_stores()
    for router in (recommendations.router, releases.router, health.router):
        app.include_router(router)
    errors.explain(app)
    return app
