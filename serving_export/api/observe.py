"""What every request gets: an id, a line in the log, and its place in the metrics.

The id is the caller's `X-Request-ID`, if it is a plain one, else a new one. Lines are JSON and hold the route's pattern
rather than its address, as that would hold a user's id.
"""

import logging
import re
import time
import uuid
from functools import lru_cache
from itertools import count

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving_export.api.metrics import REQUESTS, SECONDS

log = structlog.get_logger()

_process, _number = uuid.uuid4().hex, count()
PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def log_as_json() -> None:
    """One JSON object a line, on standard output; and nothing from uvicorn's access log, which names addresses."""
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=lambda event, **_: msgspec.json.encode(event, enc_hook=str)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )


class Observe:
    """The outermost layer of the application (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        given = header(scope, b"x-request-id")
        request_id = given if given and PLAIN.fullmatch(given) else f"{_process}-{next(_number)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path_format", "unknown")
            requests, histogram = _measures(route, status)
            requests.inc()
            histogram.observe(seconds)
            log.info(
                "request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2), request_id=request_id
            )


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this lower-case name."""
    for each, value in scope["headers"]:
        if each == name:
            return value.decode("latin-1")
    return None


@lru_cache(maxsize=512)
def _measures(route: str, status: int):
    return REQUESTS.labels(route, str(status)), SECONDS.labels(route)
