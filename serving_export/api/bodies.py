"""How large the body of a request may be: it is held in memory, and most routes read it before they know whose it is."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 4 << 20
TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES >> 20} MiB: send smaller batches"
NOT_READ = frozenset({"GET", "HEAD"})  # no route reads the body of such a request


class LimitBody:
    """A route that reads more than is allowed is stopped with 413 (ASGI)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in NOT_READ:
            await self.app(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self.app(scope, receive_some, send)
