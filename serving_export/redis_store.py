"""Builds in Redis or Valkey.

    <prefix>:current          the build that is served
    <prefix>:<build>:<entry>  the entries of `content`, for example cw:2017-11-30.7:for_you:1042
    <prefix>:<build>:ready    written after the build was verified

Loading sends commands as raw protocol in chunks, several times faster than a client's own pipeline.
"""

import re
import time
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import cast

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from serving_export.content import Checksum, Content, checksum, entries
from serving_export.packing import Item, unpack

log = structlog.get_logger()

PREFIX = "cw"
CHUNK = 1000
BUILD = re.compile(r"\d{4}-\d{2}-\d{2}\.\d+")


class RedisStore:
    """See `store.Store`. The pointer here follows the one in PostgreSQL."""

    name = "redis"

    def __init__(self, url: str, prefix: str = PREFIX, timeout_s: float = 30) -> None:
        self.prefix = prefix
        self.client = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )

    def load(self, build: str, content: Content) -> None:
        self.remove(build)
        started, sent = time.monotonic(), 0
        pairs = entries(content)
        connection = self.client.connection_pool.get_connection()
        try:
            while chunk := list(islice(pairs, CHUNK)):
                connection.send_packed_command([b"".join(_set(self._key(build, key), value) for key, value in chunk)])
                for _ in chunk:
                    connection.read_response()
                sent += len(chunk)
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self.client.connection_pool.release(connection)
        seconds = time.monotonic() - started
        log.info("loaded", store=self.name, build=build, entries=sent, entries_per_s=round(sent / seconds))

    def checksum(self, build: str) -> Checksum:
        return checksum(self._entries(build))

    def builds(self) -> set[str]:
        second = (key.decode().removeprefix(f"{self.prefix}:").partition(":")[0] for key in self._scan(f"{self.prefix}:*"))
        return {build for build in second if BUILD.fullmatch(build)}

    def remove(self, build: str) -> None:
        keys = self._scan(f"{self.prefix}:{build}:*")
        self.client.unlink(self._key(build, "ready"))
        while chunk := list(islice(keys, CHUNK)):
            self.client.unlink(*chunk)

    def remove_entries(self, build: str, names: list[str]) -> int:
        """Remove single entries of a build; how many were there."""
        return cast(int, self.client.unlink(*(self._key(build, name) for name in names))) if names else 0

    def entries_of(self, user_id: str, kinds: Collection[str]) -> int:
        """How many entries of these kinds name a user, over all keys of this prefix, whatever build they belong to."""
        ends = [f":{kind}:{user_id}" for kind in kinds]
        keys = (key.decode() for key in self._scan(f"{self.prefix}:*"))
        return sum(any(key.endswith(end) for end in ends) for key in keys)

    def mark_ready(self, build: str) -> None:
        self.client.set(self._key(build, "ready"), b"1")

    def is_ready(self, build: str) -> bool:
        """Whether the build was verified here and has not been lost since."""
        return self.client.exists(self._key(build, "ready"), self._key(build, "segment:all")) == 2

    def point_to(self, build: str) -> None:
        self.client.set(f"{self.prefix}:current", build)

    def clear_pointer(self) -> None:
        self.client.delete(f"{self.prefix}:current")

    def current(self) -> str | None:
        return _text(self._get(f"{self.prefix}:current"))

    def user_list(self, build: str, user_id: str, name: str) -> list[Item] | None:
        return _items(self._get(self._key(build, f"{name}:{user_id}")))

    def member_segment(self, build: str, user_id: str) -> str | None:
        return _text(self._get(self._key(build, f"member:{user_id}")))

    def segment_list(self, build: str, segment: str) -> list[Item] | None:
        return _items(self._get(self._key(build, f"segment:{segment}")))

    def titles(self, build: str, item_ids: list[str]) -> dict[str, str]:
        if not item_ids:
            return {}
        values = self._mget([self._key(build, f"title:{item_id}") for item_id in item_ids])
        return {item_id: value.decode() for item_id, value in zip(item_ids, values, strict=True) if value is not None}

    def _get(self, key: str) -> bytes | None:
        return cast("bytes | None", self.client.get(key))

    def _mget(self, keys: list) -> list[bytes | None]:
        return cast("list[bytes | None]", self.client.mget(keys))

    def _key(self, build: str, entry: str) -> str:
        return f"{self.prefix}:{build}:{entry}"

    def _scan(self, pattern: str) -> Iterator[bytes]:
        return self.client.scan_iter(match=pattern, count=CHUNK)

    def _entries(self, build: str) -> Iterator[tuple[str, bytes]]:
        start = len(self._key(build, ""))
        keys: Iterable[bytes] = set(self._scan(self._key(build, "*"))) - {self._key(build, "ready").encode()}
        remaining = iter(keys)
        while chunk := list(islice(remaining, CHUNK)):
            for key, value in zip(chunk, self._mget(chunk), strict=True):
                yield key.decode()[start:], value or b""


def _set(key: str, value: bytes) -> bytes:
    """One SET command in the Redis protocol (RESP)."""
    name = key.encode()
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(value), value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _items(value: bytes | None) -> list[Item] | None:
    return None if value is None else unpack(value)
