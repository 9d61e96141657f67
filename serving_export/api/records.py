"""What the journal holds, and the events of the landing contract that become of it.

A line is either an event as the API took it, or one shown list, which becomes an impression per item. The ids of the
impressions are the line's own id and their ranks, so turning a segment into events again gives the same events.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

_process, _number = uuid.uuid4().hex, count()


class ShownList(msgspec.Struct, tag="shown", omit_defaults=True):
    """One list as it was given to a caller who shows it."""

    id: str
    at: datetime
    user_id: str
    request_id: str
    list: str
    release: str
    items: Sequence[str]
    surface: str | None = None
    device: str | None = None
    region: str | None = None
    variant: str | None = None  # experiment:variant


class TakenEvent(msgspec.Struct, tag="event"):
    """An event in the form of the landing contract."""

    event: dict[str, Any]


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ShownList | TakenEvent] = msgspec.json.Decoder(ShownList | TakenEvent)


def new_id() -> str:
    """An id that no other line has."""
    return f"{_process}-{next(_number)}"


def encode(record: ShownList | TakenEvent) -> bytes:
    """One line of the journal."""
    return _encoder.encode(record) + b"\n"


def events_of(line: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a line, each with its business date in UTC.

    Raises:
        msgspec.MsgspecError: it is not a whole line of a journal.
    """
    record = _decoder.decode(line)
    if isinstance(record, TakenEvent):
        yield record.event["event_ts"][:10], record.event
        return
    at = record.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    context: dict[str, Any] = {"list": record.list, "release": record.release}
    if record.variant:
        experiment, _, variant = record.variant.partition(":")
        context["experiments"] = {experiment: variant}
    for rank, item_id in enumerate(record.items, start=1):
        event = {
            "event_id": f"{record.id}-{rank}", "event_type": "impression", "user_id": record.user_id, "item_id": item_id,
            "event_ts": at, "surface": record.surface, "device": record.device, "region": record.region,
            "request_id": record.request_id, "rank": rank, "context": context,
        }  # fmt: skip
        yield at[:10], {name: value for name, value in event.items() if value is not None}
