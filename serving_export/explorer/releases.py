"""The releases that are loaded, and what became of them: the views `serving.releases` and `serving.release_events`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from serving_export.explorer.rows import rows

RELEASES = """
    select release_id, partition_date, model_version, status, users, rows, switched_at, build_id
    from serving.releases order by partition_date desc
"""
EVENTS = """
    select happened_at, event, release_id, requested_by, reason
    from serving.release_events where event <> 'refreshed' order by event_id desc limit %s
"""


@dataclass(frozen=True)
class Release:
    release_id: str
    partition_date: date
    model_version: str
    status: str  # serving or loaded
    users: int
    rows: int
    switched_at: datetime | None
    build_id: str


@dataclass(frozen=True)
class Event:
    happened_at: datetime
    event: str  # published, rolled_back or removed
    release_id: str
    requested_by: str | None  # of a rollback: who, and why
    reason: str | None


def loaded(connection: psycopg.Connection) -> list[Release]:
    """Latest first."""
    return rows(connection, Release, RELEASES)


def events(connection: psycopg.Connection, wanted: int = 20) -> list[Event]:
    """Latest first."""
    return rows(connection, Event, EVENTS, (wanted,))


def served(releases: Sequence[Release]) -> Release | None:
    """The one that readers see; None before the first is published."""
    return next((release for release in releases if release.status == "serving"), None)


def before(releases: Sequence[Release], release: Release) -> Release | None:
    """The loaded release of the latest earlier date."""
    earlier = [each for each in releases if each.partition_date < release.partition_date]
    return max(earlier, key=lambda each: each.partition_date, default=None)
