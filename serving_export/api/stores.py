"""Which store answers: Redis, else PostgreSQL, else the popular list that this process remembers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import psycopg
import redis
import structlog
from fastapi import Depends, HTTPException, Request

from cartwheel.settings import get_settings
from serving_export.api.metrics import STORE_FAILURES
from serving_export.api.online import OnlineReader
from serving_export.releases.lookup import Entry, IncompleteBuildError, Reader, StoreReader
from serving_export.releases.packing import Item
from serving_export.releases.pool import Pool
from serving_export.releases.postgres_store import PostgresStore
from serving_export.segments import ALL

log = structlog.get_logger()
T = TypeVar("T")

STORE_ERRORS = (redis.RedisError, psycopg.Error, IncompleteBuildError, OSError)
REMEMBER_EVERY_S = 30.0
REST_S = 1.0  # so long a store that failed is not asked again, while something else can answer
EVERYONE = Entry("segment", ALL)
NO_STORE = "no store that could answer can be reached"


class NoStoreError(HTTPException):
    """No store has an answer, and at least one could not be asked."""

    def __init__(self) -> None:
        super().__init__(503, NO_STORE)


@dataclass
class Remembered:
    """Everyone's popular list with its titles, for when neither store can be asked: see `lookup.Reader`."""

    build: str
    items: list[Item]
    titles: dict[str, str]
    name: str = "popular"

    async def read(self, entries: Sequence[Entry], first: int | None = None) -> tuple[str, list[Any]] | None:
        return self.build, [self.items[:first] if entry == EVERYONE else None for entry in entries]

    async def facts(self, build: str, kind: str, names: Sequence[str]) -> dict[str, Any]:
        return {name: self.titles[name] for name in names if kind == "title" and name in self.titles}


@dataclass
class Stores:
    """The readers of both stores, the preferred one first."""

    online: OnlineReader
    warehouse: PostgresStore

    def __post_init__(self) -> None:
        self.readers: tuple[Reader, ...] = (self.online, StoreReader(self.warehouse))
        self.failed_at: dict[str, float] = {}
        self.popular: Remembered | None = None

    async def ask(self, question: Callable[[Reader], Awaitable[T | None]]) -> T | None:
        """The answer of the first store that has one; None when both could be asked and have none.

        Raises:
            NoStoreError: see there.
        """
        return await self._ask(question, self._awake())

    async def ask_or_recall(self, question: Callable[[Reader], Awaitable[T | None]]) -> T | None:
        """As `ask`; the popular list that this process remembers answers when no store that could is reached, or both rest.

        Raises:
            NoStoreError: none is remembered either.
        """
        awake = self._awake()
        if self.popular is not None and not awake:
            return await question(self.popular)
        try:
            return await self._ask(question, awake)
        except NoStoreError:
            if self.popular is None:
                raise
            return await question(self.popular)

    async def _ask(self, question: Callable[[Reader], Awaitable[T | None]], awake: Sequence[Reader]) -> T | None:
        missed = False
        readers = self.readers if awake is self.readers else sorted(self.readers, key=lambda reader: reader not in awake)
        for reader in readers:
            try:
                answer = await question(reader)
            except STORE_ERRORS as error:
                self.failed_at[reader.name] = time.monotonic()
                STORE_FAILURES.labels(reader.name).inc()
                log.warning("store failed", store=reader.name, error=type(error).__name__)
                missed = True
                continue
            if self.failed_at:
                self.failed_at.pop(reader.name, None)
            if answer is not None:
                return answer
        if missed:
            raise NoStoreError
        return None

    def _awake(self) -> Sequence[Reader]:
        """Those that have not failed just now. When one has rested, a single request asks it, and the others let it rest on."""
        if not self.failed_at:
            return self.readers
        now = time.monotonic()
        awake = [reader for reader in self.readers if now - self.failed_at.get(reader.name, -REST_S) >= REST_S]
        self.failed_at |= {reader.name: now for reader in awake if reader.name in self.failed_at}
        return awake

    async def remember_popular(self) -> None:
        """Keep everyone's popular list at hand; what was remembered stays while no store can be asked."""

        async def popular(reader: Reader) -> Remembered | None:
            read = await reader.read([EVERYONE])
            if read is None or read[1][0] is None:
                return None
            build, (items,) = read
            return Remembered(build, items, await reader.facts(build, "title", [item.item_id for item in items]))

        try:
            self.popular = await self.ask(popular) or self.popular
        except NoStoreError:
            log.warning("no store can be asked for the popular list")


async def remember_now_and_then(stores: Stores) -> None:
    """Until cancelled."""
    while True:
        await stores.remember_popular()
        await asyncio.sleep(REMEMBER_EVERY_S)


def settings_stores() -> Stores:
    """The stores of the settings."""
    settings = get_settings()
    return Stores(OnlineReader(settings.redis_url), PostgresStore(Pool(settings.api_postgres_dsn).session))


async def _stores(request: Request) -> Stores:  # async: else each request would wait for a thread
    return request.app.state.stores


TheStores = Annotated[Stores, Depends(_stores)]
