"""Answering one reader from one store: the pointer first, then that build only.

    recommend(store, …)        for the command line
    await find(reader, …)      for the API, which reads several users at once; find_popular and find_similar likewise

A reader gives entries of the build that is served. Where these come in one reply with the pointer, as from Redis, they
cannot be of two builds; where they do not, a build that was removed meanwhile is missed whole, and the newer one is read.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from serving_export.releases.packing import Item, unpack
from serving_export.releases.store import Store, release_of
from serving_export.segments import ALL, segment_chain

T = TypeVar("T")


class Entry(NamedTuple):
    """One entry of a build, as in `content`: a list, `member`, `segment`, `title` …, and whose."""

    kind: str
    name: str


class Reader(Protocol):
    """The build that is served by one store."""

    name: str

    async def read(self, entries: Sequence[Entry], first: int | None = None) -> tuple[str, list[Any]] | None:
        """The build that is served and these entries of it, None for those it lacks; None when none is served.

        Lists come as `list[Item]`, best first, and with `first` so many items of each at most; all else as text.
        """

    async def facts(self, build: str, kind: str, names: Sequence[str]) -> dict[str, Any]:
        """Entries of one kind of this build, by name, without those it lacks."""


@dataclass(frozen=True)
class Found:
    """A list. `segment` names the popular list that it is, perhaps in place of an unknown user's."""

    build: str
    items: list[Item]
    segment: str | None = None

    @property
    def release(self) -> str:
        return release_of(self.build)


@dataclass(frozen=True)
class Answer:
    """A list as it is shown."""

    release: str
    items: list[Item]
    titles: dict[str, str]
    segment: str | None = None


class IncompleteBuildError(LookupError):
    """The store lacks what every build holds: it lost data."""


async def find(
    reader: Reader,
    user_id: str,
    name: str,
    age_band: str | None = None,
    income_band: str | None = None,
    first: int | None = None,
) -> Found | None:
    """The list of a user; for an unknown one the popular list of the closest known segment. None without a release.

    Args:
        name: one of `contracts.LISTS`.
        age_band, income_band: what the caller knows of a user whom the release does not know.
        first: items at most; None for all.

    Raises:
        IncompleteBuildError: the store has a pointer, but not the build it names.
    """
    while True:
        read = await reader.read([Entry(name, user_id)], first)
        if read is None:
            return None
        build, (items,) = read
        if items is not None:
            return Found(build, items)
        read = await reader.read([Entry("member", user_id)])
        if read is None or read[0] != build:
            continue  # it was replaced while this reader was on its way
        known = read[1][0]
        popular = await find_popular(reader, [*([known] if known else []), *segment_chain(age_band, income_band)], first)
        if popular is None or popular.build == build:
            return popular


async def find_popular(reader: Reader, segments: Sequence[str], first: int | None = None) -> Found | None:
    """The popular list of the first of these segments that has one; the last is `ALL`, which always has. None without a release.

    Raises:
        IncompleteBuildError: the store has a pointer, but not the build it names.
    """
    missed = None
    while True:
        read = await reader.read([Entry("segment", segment) for segment in segments], first)
        if read is None:
            return None
        build, lists = read
        for segment, items in zip(segments, lists, strict=True):
            if items is not None:
                return Found(build, items, segment)
        if build == missed:
            raise IncompleteBuildError(f"{reader.name} does not hold build {build}, which it says is served")
        missed = build  # perhaps it was replaced and removed while this reader was on its way: look again


async def find_similar(reader: Reader, item_id: str) -> Found | None:
    """The items similar to one, none if the release has none. None without a release.

    Raises:
        IncompleteBuildError: the store has a pointer, but not the build it names.
    """
    while True:
        read = await reader.read([])
        if read is None:
            return None
        build, _ = read
        if items := (await reader.facts(build, "similar", [item_id])).get(item_id):
            return Found(build, items)
        everyone = await find_popular(reader, [ALL], first=1)  # tells a build that was lost from an item that has none
        if everyone is None:
            return None
        if everyone.build == build:
            return Found(build, [])


class StoreReader:
    """Reads a `Store` in threads of its own, an entry at a time; a store that hangs holds up nobody else.

    Its methods raise `TimeoutError` after `PATIENCE_S`.
    """

    THREADS, PATIENCE_S = 8, 5.0

    def __init__(self, store: Store) -> None:
        self.store, self.name = store, store.name
        self.threads = ThreadPoolExecutor(self.THREADS, store.name)

    async def read(self, entries: Sequence[Entry], first: int | None = None) -> tuple[str, list[Any]] | None:
        return await self._ask(self._read, entries, first)

    async def facts(self, build: str, kind: str, names: Sequence[str]) -> dict[str, Any]:
        if kind == "title":
            return await self._ask(self.store.titles, build, list(names))
        found = await self._ask(self.store.beside, build, kind, list(names))
        return {name: unpack(payload) if kind == "similar" else payload.decode() for name, payload in found.items()}

    async def _ask(self, question: Callable[..., T], *arguments: Any) -> T:
        asked = asyncio.get_running_loop().run_in_executor(self.threads, question, *arguments)
        return await asyncio.wait_for(asked, self.PATIENCE_S)

    def _read(self, entries: Sequence[Entry], first: int | None) -> tuple[str, list[Any]] | None:
        build = self.store.current()
        if build is None:
            return None
        found = [self._entry(build, entry) for entry in entries]
        return build, [value[:first] if isinstance(value, list) else value for value in found]

    def _entry(self, build: str, entry: Entry) -> Any:
        match entry.kind:
            case "member":
                return self.store.member_segment(build, entry.name)
            case "segment":
                return self.store.segment_list(build, entry.name)
            case _:
                return self.store.user_list(build, entry.name, entry.kind)


def recommend(
    store: Store, user_id: str, name: str, limit: int, age_band: str | None = None, income_band: str | None = None
) -> Answer | None:
    """The first `limit` items of `find`, with their titles; for a program that asks for one user.

    Raises:
        IncompleteBuildError: the store has a pointer, but not the build it names.
    """
    found = asyncio.run(find(StoreReader(store), user_id, name, age_band, income_band, limit))
    if found is None:
        return None
    return Answer(found.release, found.items, store.titles(found.build, [item.item_id for item in found.items]), found.segment)
