"""Reading one whole release, whatever happens to the builds meanwhile."""

import pytest

from serving_export.releases.lookup import IncompleteBuildError, recommend
from serving_export.releases.packing import Item


class MemoryStore:
    """A store of dictionaries; `pointers` is what `current` answers, one after another."""

    name = "memory"

    def __init__(
        self, pointers: list[str | None], lists: dict[tuple[str, str], list[Item]], segments: dict | None = None
    ) -> None:
        self.pointers, self.lists, self.segments = pointers, lists, segments or {}

    def current(self) -> str | None:
        return self.pointers.pop(0) if len(self.pointers) > 1 else self.pointers[0]

    def user_list(self, build: str, user_id: str, name: str) -> list[Item] | None:
        return self.lists.get((build, f"{name}:{user_id}"))

    def member_segment(self, build: str, user_id: str) -> str | None:
        return "gone" if user_id == "member" else None

    def segment_list(self, build: str, segment: str) -> list[Item] | None:
        return self.segments.get((build, segment))

    def titles(self, build: str, item_ids: list[str]) -> dict[str, str]:
        return {item_id: item_id.upper() for item_id in item_ids}


TEA, SOAP = Item("tea", 0.9, "why"), Item("soap", 0.1, "why")


def test_the_list_is_cut_at_the_limit() -> None:
    answer = recommend(MemoryStore(["2017-11-30.1"], {("2017-11-30.1", "for_you:u"): [TEA, SOAP]}), "u", "for_you", 1)
    assert (answer.release, answer.items, answer.titles, answer.segment) == ("2017-11-30", [TEA], {"tea": "TEA"}, None)


def test_a_reader_whose_build_was_removed_goes_on_with_the_newer_one() -> None:
    store = MemoryStore(["2017-11-30.1", "2017-12-01.2"], {("2017-12-01.2", "for_you:u"): [SOAP]})
    assert recommend(store, "u", "for_you", 5).release == "2017-12-01"


def test_a_store_that_lost_the_build_says_so() -> None:
    with pytest.raises(IncompleteBuildError, match=r"2017-11-30\.1"):
        recommend(MemoryStore(["2017-11-30.1"], {}), "u", "for_you", 5)


def test_no_release() -> None:
    assert recommend(MemoryStore([None], {}), "u", "for_you", 5) is None


def test_an_unknown_user_gets_the_closest_segment_that_has_a_list() -> None:
    build = "2017-11-30.1"
    store = MemoryStore([build], {}, {(build, "*|50-74K"): [SOAP], (build, "all"): [TEA]})
    assert recommend(store, "u", "for_you", 5, "25-34", "50-74K").segment == "*|50-74K"
    assert recommend(store, "member", "for_you", 5).segment == "all"
