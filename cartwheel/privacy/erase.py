"""Erase a person everywhere, keep a record of it, and prove it by searching.

    cartwheel erase-user 1042 --dry-run

Order: the person is barred from ingest; then raw and the marts, the lake, the stores; then every place is searched. What
was found before is recorded first, so that a run that is killed and started again records all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

import psycopg
import structlog
from psycopg.types.json import Jsonb

from cartwheel import warehouse
from cartwheel.privacy.lake import LakeEraser
from cartwheel.privacy.person import Eraser, Person, Places
from cartwheel.privacy.warehouse import WarehouseEraser, landed_files

log = structlog.get_logger()

GROUP = "cartwheel.erasers"


class NotInstalledError(RuntimeError):
    """A part that holds personal data has not joined."""


@dataclass(frozen=True)
class Report:
    """What one erasure found, removed and left. It does not hold the person's id."""

    user_key: str
    dry_run: bool
    found: Places  # before anything was removed, also by earlier runs that were cut off
    landed_files: Places  # the shop's own files with rows of the person; they stay
    remaining: Places  # what the search finds now; empty when the person is gone

    @property
    def is_gone(self) -> bool:
        return not self.remaining


def erasers() -> list[Eraser]:
    """All parts that hold personal data, in the order in which data flows.

    Raises:
        NotInstalledError: the stores' part is not there.
    """
    others = [entry.load()() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]
    if not others:
        raise NotInstalledError(f"nothing has joined {GROUP!r}, so the stores would keep the person: install the package again")
    return [WarehouseEraser(), LakeEraser(), *others]


def preview(user_id: str, aliases: Iterable[str] = ()) -> Report:
    """What `erase` would find; nothing is changed.

    Raises:
        ValueError: the id is empty.
        NotInstalledError: see `erasers`.
    """
    parts = erasers()
    with warehouse.connect() as connection:
        person = Person.of(connection, user_id, aliases)
    found = _find(parts, person)
    return Report(person.user_key, True, found, landed_files(person), found)


def erase(user_id: str, requested_by: str, aliases: Iterable[str] = (), parts: Sequence[Eraser] | None = None) -> Report:
    """Remove the person; the report says whether a search still finds them.

    Args:
        aliases: other writings of the id in the shop's files, looked for in original texts.
        parts: what to erase from; `erasers()` unless given.

    Raises:
        ValueError: the id is empty.
        NotInstalledError: see `erasers`.
    """
    parts = erasers() if parts is None else parts
    with warehouse.connect(autocommit=True) as connection:
        person = Person.of(connection, user_id, aliases)
        connection.execute("select pg_advisory_lock(hashtext('cartwheel.erase_user'))")  # ends with the connection
        connection.execute("insert into ops.erased_users (user_key) values (%s) on conflict do nothing", (person.user_key,))
        erasure_id = _begin(connection, person, requested_by, _find(parts, person), landed_files(person))
        for part in parts:
            removed = part.erase(person)
            log.info("erased", part=type(part).__name__, rows=sum(removed.values()))
        remaining = _find(parts, person)
        return _end(connection, erasure_id, person, remaining)


def _find(parts: Iterable[Eraser], person: Person) -> Places:
    places = Places()
    for part in parts:
        places |= part.find(person)
    return places


def _begin(connection: psycopg.Connection, person: Person, requested_by: str, found: Places, landed: Places) -> int:
    """The erasure's record: a new one, or the one of a run that was cut off, with the larger count of each place."""
    unfinished = connection.execute(
        "select erasure_id, rows, landed_files from ops.erasures where user_key = %s and finished_at is null", (person.user_key,)
    ).fetchone()
    if unfinished is None:
        row = connection.execute(
            "insert into ops.erasures (user_key, requested_by, rows, landed_files) values (%s, %s, %s, %s) returning erasure_id",
            (person.user_key, requested_by, Jsonb(found), Jsonb(landed)),
        ).fetchone()
        assert row is not None
        return row[0]
    erasure_id, rows, files = unfinished
    connection.execute(
        "update ops.erasures set rows = %s, landed_files = %s, requested_by = %s where erasure_id = %s",
        (Jsonb(_larger(rows, found)), Jsonb(_larger(files, landed)), requested_by, erasure_id),
    )
    return erasure_id


def _larger(before: Places, now: Places) -> Places:
    return {place: max(before.get(place, 0), now.get(place, 0)) for place in sorted(before | now)}


def _end(connection: psycopg.Connection, erasure_id: int, person: Person, remaining: Places) -> Report:
    row = connection.execute(
        "update ops.erasures set remaining = %s, finished_at = case when %s then now() end"
        " where erasure_id = %s returning rows, landed_files",
        (Jsonb(remaining), not remaining, erasure_id),
    ).fetchone()
    assert row is not None
    return Report(person.user_key, False, row[0], row[1], remaining)
