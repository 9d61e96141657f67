"""What PostgreSQL and Redis offer alike: holding builds, and answering readers.

A reader calls `current` first and then reads that build only, so it sees one whole release or another.
"""

from typing import Protocol

from serving_export.releases.content import Checksum, Content
from serving_export.releases.packing import Item


class Store(Protocol):
    """A store of builds. A build's text id is `<release_id>.<number>`.

    Readers ask for what the pointer says, which is a build, or layers and the build below them: `layers_of` takes it apart.
    """

    name: str

    def load(self, build: str, content: Content) -> None:
        """Put a build in place of whatever was there under its id; readers do not see it yet."""

    def checksum(self, build: str, content: Content) -> Checksum:
        """Of what the store really holds of a build, read back; `content` says what it should hold."""

    def builds(self) -> set[str]:
        """The builds of which anything is there."""

    def remove(self, build: str) -> None:
        """Remove all of a build; it may be gone, or be there in part."""

    def current(self) -> str | None:
        """The pointer; None when there is none."""

    def user_list(self, served: str, user_id: str, name: str) -> list[Item] | None:
        """One list of a user, best first, of the topmost layer that knows the user; None when not even the release does."""

    def member_segment(self, served: str, user_id: str) -> str | None:
        """The segment of a known user without lists."""

    def segment_list(self, served: str, segment: str) -> list[Item] | None:
        """The popular list of a segment; None when there is no such segment."""

    def titles(self, served: str, item_ids: list[str]) -> dict[str, str]:
        """The titles of recommended items."""

    def beside(self, served: str, kind: str, names: list[str]) -> dict[str, bytes]:
        """Entries of one kind of `beside`, by name, without those that are not there."""


OVER = "+"  # in a pointer, between a layer and what it lies over


def layers_of(served: str) -> list[str]:
    """The builds that a pointer names, the one on top first; the last one is whole."""
    return served.split(OVER)


def release_of(served: str) -> str:
    """The release that a pointer or a build belongs to."""
    return served.partition(".")[0]
