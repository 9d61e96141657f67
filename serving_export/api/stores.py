"""Which store answers: Redis, else PostgreSQL, else the popular list that this process remembers."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import psycopg
import redis
import structlog
from fastapi import Depends, HTTPException, Request

from cartwheel.settings import get_settings
from serving_export.api.online import OnlineReader
from serving_export.lookup import IncompleteBuildError, Reader, StoreReader
from serving_export.pool import Pool
from serving_export.postgres_store import PostgresStore

log = structlog.get_logger()
T = TypeVar("T")

STORE_ERRORS = (redis.RedisError, psycopg.Error, IncompleteBuildError, OSError)
REST_S = 1.0  # so long a store that failed is not asked again, while another can be
NO_STORE = "neither Redis nor PostgreSQL can be reached"


@dataclass
class Stores:
    """The readers of both stores, the preferred one first."""

    online: OnlineReader
    warehouse: PostgresStore

    def __post_init__(self) -> None:
        self.readers: tuple[Reader, ...] = (self.online, StoreReader(self.warehouse))
        self.failed_at: dict[str, float] = {}

    async def ask(self, question: Callable[[Reader], Awaitable[T | None]]) -> tuple[Reader, T] | None:
        """The first store that has an answer; None when those that could be asked have none.

        Raises:
            HTTPException: no store could be asked.
        """
        reached = False
        for reader in self._in_turn():
            try:
                answer = await question(reader)
            except STORE_ERRORS as error:
                self.failed_at[reader.name] = time.monotonic()
                log.warning("store failed", store=reader.name, error=type(error).__name__)
                continue
            reached = True
            if answer is not None:
                return reader, answer
        if not reached:
            raise HTTPException(503, NO_STORE)
        return None

    def _in_turn(self) -> Iterator[Reader]:
        """Those that failed just now come last."""
        now = time.monotonic()
        tired = {name for name, failed in self.failed_at.items() if now - failed < REST_S}
        yield from sorted(self.readers, key=lambda reader: reader.name in tired)


def settings_stores() -> Stores:
    """The stores of the settings."""
    settings = get_settings()
    return Stores(OnlineReader(settings.redis_url), PostgresStore(Pool(settings.api_postgres_dsn).session))


def _stores(request: Request) -> Stores:
    return request.app.state.stores


TheStores = Annotated[Stores, Depends(_stores)]
