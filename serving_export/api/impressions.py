"""What was shown goes into the journal, without holding up the answer."""

import asyncio

import structlog
from fastapi import Request

from serving_export.api.journal import Journal
from serving_export.api.metrics import JOURNALLED, LOST
from serving_export.api.models import ListRequest
from serving_export.api.recommend import Shown, record
from serving_export.api.records import encode

log = structlog.get_logger()


def note_shown(request: Request, user_id: str, wanted: ListRequest, shown: Shown) -> None:
    """Journal a list that the caller shows. It is on disk a few milliseconds after the answer, not before it."""
    if not wanted.shown or not shown.items:
        return
    journal: Journal = request.app.state.journal
    line = encode(record(user_id, request.state.request_id, wanted, shown))
    journal.append(line).add_done_callback(_count)


def _count(written: "asyncio.Future[None]") -> None:
    if error := written.exception():
        LOST.inc()
        log.warning("impressions lost", error=str(error))
    else:
        JOURNALLED.labels("shown").inc()
