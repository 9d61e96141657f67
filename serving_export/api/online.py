"""Reading Redis for many requests at once.

While one MGET is on its way, the requests that come in gather; the next MGET asks for all of them. Each carries the
pointer beside the entries of the build that was served last: when the pointer still names it, as it nearly always does,
one round trip has answered, and as MGET is atomic, the entries and the pointer are of one moment.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cartwheel.contracts import LISTS
from serving_export.releases.lookup import Entry
from serving_export.releases.packing import unpack
from serving_export.releases.redis_store import PREFIX
from serving_export.releases.store import layers_of

TIMEOUT_S = 0.5
LISTED = {*LISTS, "segment", "similar"}
LAYERED = {*LISTS, "title"}  # what a layer may hold; all else is of the whole build
KEYS_PER_MGET = 2000


class OnlineReader:
    """See `lookup.Reader`."""

    name = "redis"

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self.prefix, self.served = prefix, ""
        self.client = redis.asyncio.Redis.from_url(
            url,
            single_connection_client=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self.waiting: list[tuple[list[str], asyncio.Future[list[bytes | None]]]] = []
        self.sender: asyncio.Task | None = None
        self.remembered: tuple[str, dict[str, dict[str, Any]]] = ("", {})  # by kind: facts of a build never change

    async def read(self, entries: Sequence[Entry], first: int | None = None) -> tuple[str, list[Any]] | None:
        while True:
            served, layers = self.served, layers_of(self.served)
            keys = [self._keys(layers, kind, name) for kind, name in entries]
            current, *values = await self._get([f"{self.prefix}:current", *chain.from_iterable(keys)])
            if current is None:
                return None
            if current.decode() == served:
                found = _first_of_each(keys, values)
                return served, [_decoded(entry.kind, value, first) for entry, value in zip(entries, found, strict=True)]
            self.served = current.decode()

    async def facts(self, build: str, kind: str, names: Sequence[str]) -> dict[str, Any]:
        if self.remembered[0] != build:
            self.remembered = (build, {})
        known = self.remembered[1].setdefault(kind, {})
        unknown = [name for name in names if name not in known]
        if unknown:
            layers = layers_of(build)
            keys = [self._keys(layers, kind, name) for name in unknown]
            found = _first_of_each(keys, await self._get(list(chain.from_iterable(keys))))
            # Only what is there is remembered: callers may ask for any number of names that the release does not hold.
            known.update((name, _decoded(kind, value)) for name, value in zip(unknown, found, strict=True) if value is not None)
        return {name: known[name] for name in names if name in known}

    def _keys(self, layers: list[str], kind: str, name: str) -> list[str]:
        """Where an entry may be, the topmost layer first."""
        return [f"{self.prefix}:{build}:{kind}:{name}" for build in (layers if kind in LAYERED else layers[-1:])]

    async def close(self) -> None:
        await self.client.aclose()

    async def _get(self, keys: list[str]) -> list[bytes | None]:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((keys, future))
        if self.sender is None:
            self.sender = asyncio.create_task(self._send())
        return await future

    async def _send(self) -> None:
        try:
            while self.waiting:
                await self._send_batch(self._next_batch())
        finally:
            self.sender = None

    def _next_batch(self) -> list[tuple[list[str], asyncio.Future]]:
        count = keys = 0
        while (count < len(self.waiting) and (keys := keys + len(self.waiting[count][0])) <= KEYS_PER_MGET) or not count:
            count += 1
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        return batch

    async def _send_batch(self, batch: list[tuple[list[str], asyncio.Future]]) -> None:
        wanted = dict.fromkeys(key for keys, _ in batch for key in keys)
        try:
            values = await self.client.mget(list(wanted))
        # uvloop says RuntimeError of a connection that the other side closed as soon as it was open.
        except (redis.RedisError, OSError, RuntimeError, asyncio.CancelledError) as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(redis.ConnectionError(f"{type(error).__name__}: {error}"))
            return
        wanted.update(zip(wanted, values, strict=True))
        for keys, future in batch:
            if not future.done():  # its request may have been given up
                future.set_result([wanted[key] for key in keys])


def _first_of_each(keys: list[list[str]], values: list[bytes | None]) -> Iterable[bytes | None]:
    """Of the values of each entry's keys the first that is there."""
    if len(keys) == len(values):
        return values
    rest = iter(values)
    return (next((value for value in list(islice(rest, len(each))) if value is not None), None) for each in keys)


def _decoded(kind: str, value: bytes | None, first: int | None = None) -> Any:
    if value is None:
        return None
    return unpack(value, first) if kind in LISTED else value.decode()
