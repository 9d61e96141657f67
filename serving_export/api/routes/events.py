"""What users did, sent by the shop as it happens."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from cartwheel.settings import get_settings
from serving_export.api.access import REFUSED, Allow, charge
from serving_export.api.bodies import TOO_LARGE
from serving_export.api.errors import Problem
from serving_export.api.journal import Journal, JournalError
from serving_export.api.metrics import JOURNALLED
from serving_export.api.models import MAX_EVENTS, Event, EventBatch, EventsAccepted, RejectedEvent
from serving_export.api.records import TakenEvent, encode

CLOCKS_MAY_DIFFER = timedelta(minutes=5)
YEARS = (1900, 2200)
MAX_ID_BYTES, MAX_CONTEXT_BYTES = 512, 64 << 10

router = APIRouter(prefix="/v1", tags=["events"], responses=REFUSED, dependencies=[Depends(Allow("events"))])


@router.post(
    "/events",
    status_code=202,
    response_model=EventsAccepted,
    responses={
        413: {"model": Problem, "description": TOO_LARGE},
        422: {"model": Problem, "description": "The body is no batch of events."},
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": EventBatch.model_json_schema()}}}
    },
)
async def post_events(request: Request) -> JSONResponse:
    """Take a batch of events. What is accepted is safe on disk when the answer comes, and part of the next day's ingest.

    Good rows are accepted even if others are rejected. Sending an event again is harmless: the first with its `event_id` counts.
    """
    rows = await _rows(request)
    charge(request, len(rows), paid=1)
    lines, rejected, oldest_days = [], [], get_settings().api_oldest_event_days
    for number, row in enumerate(rows):
        try:
            lines.append(encode(TakenEvent(checked(row, oldest_days))))
        except InvalidEventError as error:
            event_id = row.get("event_id") if isinstance(row, dict) else None
            shown = event_id if isinstance(event_id, str) else None
            rejected.append(RejectedEvent(row=number, event_id=shown, problems=error.problems))
    journal: Journal = request.app.state.journal
    if lines:
        try:
            await journal.append(b"".join(lines))
        except JournalError as error:
            raise HTTPException(503, str(error), {"Retry-After": "5"}) from None
        JOURNALLED.labels("event").inc(len(lines))
    return JSONResponse(EventsAccepted(accepted=len(lines), rejected=rejected).model_dump(), 202)


class InvalidEventError(ValueError):
    """An event breaks the contract; `problems` says where."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def checked(row: Any, oldest_days: int, now: datetime | None = None) -> dict[str, Any]:
    """The event as it will be landed, its time in UTC. Ingest accepts it.

    A device whose clock is off by years is refused: for its event, all dates since then would be built again.

    Raises:
        InvalidEventError: it breaks the contract.
    """
    try:
        event = Event.model_validate(row).model_dump(exclude_none=True)
    except ValidationError as error:
        broken = ((".".join(map(str, problem["loc"])) or "event", problem["msg"]) for problem in error.errors())
        raise InvalidEventError([f"{place}: {message[0].lower()}{message[1:]}" for place, message in broken]) from None
    problems = [f"{name}: longer than {MAX_ID_BYTES} bytes" for name, value in event.items() if _is_too_long(name, value)]
    problems += [f"{name}: must not be blank" for name in ("event_id", "user_id") if not event[name].strip()]
    at: datetime = event["event_ts"]
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        at = datetime.max.replace(tzinfo=UTC)
    now = now or datetime.now(UTC)
    if not YEARS[0] < at.year < YEARS[1]:
        problems.append(f"event_ts: not between {YEARS[0]} and {YEARS[1]}")
    elif at > now + CLOCKS_MAY_DIFFER:
        problems.append("event_ts: in the future")
    elif now - at > timedelta(days=oldest_days):
        problems.append(f"event_ts: more than {oldest_days} days ago; deliver older events as files")
    if "context" in event and not _is_plain(event["context"]):
        problems.append(f"context: more than {MAX_CONTEXT_BYTES >> 10} KiB, or a text with a NUL character")
    if problems:
        raise InvalidEventError(problems)
    return event | {"event_ts": at.isoformat().replace("+00:00", "Z")}


def _is_too_long(name: str, value: Any) -> bool:
    return name.endswith("_id") and len(value.encode()) > MAX_ID_BYTES


def _is_plain(context: dict[str, Any]) -> bool:
    text = msgspec.json.encode(context)
    return len(text) <= MAX_CONTEXT_BYTES and b"\\u0000" not in text.replace(b"\\\\", b"")


async def _rows(request: Request) -> list[Any]:
    try:
        batch = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from None
    rows = batch.get("events") if isinstance(batch, dict) else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_EVENTS or len(batch) > 1:
        raise HTTPException(422, f'the body must be {{"events": […]}} with 1 to {MAX_EVENTS} events')
    return rows
