"""Builds in Redis or Valkey.

    <prefix>:builds           a set of the builds that have keys, or had some that are being removed
    <prefix>:current          the build that is served, or `<layer>+<layer>+<build>`
    <prefix>:<build>:<entry>  the entries of `content`, for example cw:2017-11-30.7:for_you:1042
    <prefix>:<build>:ready    written after the build was verified

A load writes the Redis protocol (RESP) itself, `MSET` by `MSET`, and sends one while the server works on the one before:
several times faster than a client's own pipeline.
"""

import time
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import cast

import pyarrow as pa
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from serving_export.releases.binary_columns import ahead, buffer_of, decimals, joined, lengths, offsets, repeated
from serving_export.releases.content import Checksum, Content, entries, sum_of
from serving_export.releases.packing import Item, unpack
from serving_export.releases.store import layers_of

log = structlog.get_logger()

PREFIX = "cw"
CHUNK = 1000  # keys in one command


class RedisStore:
    """See `store.Store`. The pointer here follows the one in PostgreSQL."""

    name = "redis"

    def __init__(self, url: str, prefix: str = PREFIX, timeout_s: float = 30) -> None:
        self.prefix = prefix
        self.client = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )

    def load(self, build: str, content: Content) -> None:
        if not self.client.sadd(f"{self.prefix}:builds", build):
            self.remove(build)
            self.client.sadd(f"{self.prefix}:builds", build)
        started, sent = time.monotonic(), 0
        connection = self.client.connection_pool.get_connection()
        try:
            waiting = 0
            for count, commands in ahead(self._commands(build, content)):
                for command in commands:
                    connection.send_packed_command(command)
                    if waiting:
                        connection.read_response()
                    waiting = 1
                sent += count
                log.info(
                    "loading",
                    store=self.name,
                    build=build,
                    entries=sent,
                    entries_per_s=round(sent / (time.monotonic() - started)),
                )
            for _ in range(waiting):
                connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self.client.connection_pool.release(connection)
        seconds = time.monotonic() - started
        log.info("loaded", store=self.name, build=build, entries=sent, entries_per_s=round(sent / seconds))

    def checksum(self, build: str, content: Content) -> Checksum:
        """Of the values of the content's keys. There can be no others: a load removes what is there under its build."""
        return sum_of(self._held(build, entries(part)[0]) for part in content)

    def _commands(self, build: str, content: Content) -> Iterator[tuple[int, list]]:
        """Of each part the number of entries, and the commands that set them."""
        for part in content:
            keys, values = entries(part)
            yield len(keys), list(_msets(self._keys(build, keys), values))

    def _held(self, build: str, keys: pa.BinaryArray) -> tuple[pa.BinaryArray, pa.BinaryArray]:
        """Those of the keys that are there, and their values."""
        names = iter(self._keys(build, keys).to_pylist())
        values: list[bytes | None] = []
        while chunk := list(islice(names, CHUNK)):
            values += self._mget(chunk)
        held = pa.array(values, pa.binary())
        return keys.filter(held.is_valid()), held.drop_null()

    def builds(self) -> set[str]:
        return {build.decode() for build in cast("set[bytes]", self.client.smembers(f"{self.prefix}:builds"))}

    def search_builds(self) -> set[str]:
        """The builds of which there is any key, whatever `builds` says; searches all keys."""
        second = (key.decode().removeprefix(f"{self.prefix}:").partition(":")[0] for key in self._scan(f"{self.prefix}:*:*"))
        return set(second)

    def remove(self, build: str, content: Content | None = None) -> None:
        """With `content`, which names every entry that can be there, its keys alone are asked for; else all keys are searched."""
        if content is None:
            keys = self._scan(f"{self.prefix}:{build}:*")
        else:
            keys = chain.from_iterable(self._keys(build, entries(part)[0]).to_pylist() for part in content)
        self.client.unlink(self._key(build, "ready"))
        while chunk := list(islice(keys, CHUNK)):
            self.client.unlink(*chunk)
        self.client.srem(f"{self.prefix}:builds", build)

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

    def is_ready(self, served: str) -> bool:
        """Whether all that a pointer names was verified here and has not been lost since."""
        builds = layers_of(served)
        needed = [self._key(build, "ready") for build in builds] + [self._key(builds[-1], "segment:all")]
        return self.client.exists(*needed) == len(needed)

    def point_to(self, served: str) -> None:
        self.client.set(f"{self.prefix}:current", served)

    def clear_pointer(self) -> None:
        self.client.delete(f"{self.prefix}:current")

    def current(self) -> str | None:
        return _text(self._get(f"{self.prefix}:current"))

    def user_list(self, served: str, user_id: str, name: str) -> list[Item] | None:
        values = self._mget([self._key(build, f"{name}:{user_id}") for build in layers_of(served)])
        return _items(next((value for value in values if value is not None), None))

    def member_segment(self, served: str, user_id: str) -> str | None:
        return _text(self._get(self._key(layers_of(served)[-1], f"member:{user_id}")))

    def segment_list(self, served: str, segment: str) -> list[Item] | None:
        return _items(self._get(self._key(layers_of(served)[-1], f"segment:{segment}")))

    def titles(self, served: str, item_ids: list[str]) -> dict[str, str]:
        found = [self._named(build, "title", item_ids) for build in layers_of(served)] if item_ids else []
        return {item_id: title.decode() for titles in reversed(found) for item_id, title in titles.items()}

    def beside(self, served: str, kind: str, names: list[str]) -> dict[str, bytes]:
        return self._named(layers_of(served)[-1], kind, names)

    def _named(self, build: str, kind: str, names: list[str]) -> dict[str, bytes]:
        values = self._mget([self._key(build, f"{kind}:{name}") for name in names])
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def _get(self, key: str) -> bytes | None:
        return cast("bytes | None", self.client.get(key))

    def _mget(self, keys: list) -> list[bytes | None]:
        return cast("list[bytes | None]", self.client.mget(keys))

    def _key(self, build: str, entry: str) -> str:
        return f"{self.prefix}:{build}:{entry}"

    def _scan(self, pattern: str) -> Iterator[bytes]:
        return self.client.scan_iter(match=pattern, count=CHUNK)

    def _keys(self, build: str, entries: pa.BinaryArray) -> pa.BinaryArray:
        return joined(repeated(self._key(build, "").encode(), len(entries)), entries)


def _msets(keys: pa.BinaryArray, values: pa.BinaryArray) -> Iterator[list[bytes | memoryview]]:
    """MSET commands in the Redis protocol (RESP), of `CHUNK` keys each."""
    texts = (part for each in (keys, values) for part in (decimals(lengths(each)), each))
    key_bytes, key, value_bytes, value = texts
    dollar, end = repeated(b"$", len(keys)), repeated(b"\r\n", len(keys))
    pairs = joined(dollar, key_bytes, end, key, end, dollar, value_bytes, end, value, end)
    data, places = buffer_of(pairs), (offsets(pairs) - offsets(pairs)[0]).tolist()
    for start in range(0, len(keys), CHUNK):
        stop = min(start + CHUNK, len(keys))
        yield [b"*%d\r\n$4\r\nMSET\r\n" % (2 * (stop - start) + 1), data[places[start] : places[stop]]]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _items(value: bytes | None) -> list[Item] | None:
    return None if value is None else unpack(value)
