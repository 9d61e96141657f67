"""The explorer: pages, served with the API, on which people look at releases, users, items and recommendations."""

from serving_export.explorer.routes import app

__all__ = ["app"]
