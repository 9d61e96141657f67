"""Answering one reader from one store: the pointer first, then that build only."""

from dataclasses import dataclass
from itertools import chain

from serving_export.packing import Item
from serving_export.segments import ALL, segment_chain
from serving_export.store import Store, release_of


@dataclass(frozen=True)
class Answer:
    """A list as it is served. `segment` names the popular list that stands in for an unknown user's."""

    release: str
    items: list[Item]
    titles: dict[str, str]
    segment: str | None = None


class IncompleteBuildError(LookupError):
    """The store lacks what every build holds: it lost data."""


def recommend(
    store: Store, user_id: str, name: str, limit: int, age_band: str | None = None, income_band: str | None = None
) -> Answer | None:
    """The list of a user; for an unknown one the popular list of the closest known segment. None without a release.

    Args:
        name: one of `contracts.LISTS`. limit: items at most.
        age_band, income_band: what the caller knows of a user whom the release does not know.

    Raises:
        IncompleteBuildError: the store has a pointer, but not the build it names.
    """
    build = store.current()
    while build is not None:
        items, segment = store.user_list(build, user_id, name), None
        if items is None:
            segment, items = _popular(store, build, user_id, age_band, income_band)
        if items is not None:
            shown = items[:limit]
            return Answer(release_of(build), shown, store.titles(build, [item.item_id for item in shown]), segment)
        newer = store.current()
        if newer == build:
            raise IncompleteBuildError(f"{store.name} does not hold build {build}, which it says is served")
        build = newer  # replaced and removed while this reader was on its way
    return None


def _popular(
    store: Store, build: str, user_id: str, age_band: str | None, income_band: str | None
) -> tuple[str, list[Item] | None]:
    known = store.member_segment(build, user_id)
    for segment in chain([known] if known else [], segment_chain(age_band, income_band)):
        items = store.segment_list(build, segment)
        if items is not None:
            return segment, items
    return ALL, None
