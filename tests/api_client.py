"""The API over made-up releases, for tests: an application of its own, with a journal in a folder of the test."""

import time
from collections.abc import Callable
from pathlib import Path

import made_up_releases as made_up
from fastapi.testclient import TestClient

from cartwheel.settings import get_settings
from serving_export.api.access import Access
from serving_export.api.application import create_app
from serving_export.api.journal import Journal
from serving_export.api.keys import Keys
from serving_export.api.online import OnlineReader
from serving_export.api.stores import Stores
from serving_export.releases.pool import Pool
from serving_export.releases.postgres_store import PostgresStore


def make_app(
    journal: Path, redis_url: str | None = None, postgres_dsn: str | None = None, prefix: str = made_up.PREFIX,
    store: type[PostgresStore] = PostgresStore, open_recommendations: bool = False, requests_per_s: float = 1e6,
):  # fmt: skip
    """The application; keys are those of the settings' database."""
    settings = get_settings()
    warehouse = store(Pool(postgres_dsn or settings.api_postgres_dsn, size=4).session, made_up.SCHEMA)
    access = Access(Keys(Pool(settings.api_postgres_dsn, size=1).session), requests_per_s, open_recommendations)
    return create_app(Stores(OnlineReader(redis_url or settings.redis_url, prefix), warehouse), access, Journal(journal))


def make_client(journal: Path, key: str | None = None, address: str = "192.0.2.1", **options) -> TestClient:
    """A client with the embedded key, which has all scopes; `key`: another one, empty for none; `address`: where it is."""
    token = get_settings().api_key if key is None else key
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(make_app(journal, **options), headers=headers, client=(address, 50000))


def wait_until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.01)
