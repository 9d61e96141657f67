"""Who may ask for what: a key with the scope, and not too often.

`Authorization: Bearer cw_…`. Without a key, recommendations can be read if the setting `api_open_recommendations` says so
and the caller is on this machine; events and metrics never.
"""

import asyncio
import math
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import psycopg
from fastapi import HTTPException, Request
from fastapi.security import HTTPBearer

from serving_export.api.errors import Problem
from serving_export.api.keys import Key, Keys
from serving_export.api.limits import Limiter
from serving_export.api.observe import header

REFUSED: dict = {
    401: {"model": Problem, "description": "The key is missing or not in force."},
    403: {"model": Problem, "description": "The key lacks the scope."},
    429: {"model": Problem, "description": "Too many requests; `Retry-After` says when to ask again, in seconds."},
    503: {"model": Problem, "description": "No release has been published, or no store can be reached."},
}


@dataclass
class Access:
    """The rules of one application."""

    keys: Keys
    requests_per_s: float
    open_recommendations: bool

    def __post_init__(self) -> None:
        self.limiter = Limiter()
        self.reading = asyncio.Lock()

    async def fresh_keys(self) -> Keys:
        """The keys, read again when that is due; only the first request of a process waits for it.

        Raises:
            psycopg.Error: no keys are known yet, and PostgreSQL cannot be reached.
        """
        if self.keys.is_stale() and (self.keys.known is None or not self.reading.locked()):
            async with self.reading:
                if self.keys.is_stale():
                    await asyncio.to_thread(self.keys.read)
        return self.keys


class Allow(HTTPBearer):
    """Let a request pass that has the scope and a token left; a dependency of routes."""

    def __init__(self, scope: str) -> None:
        super().__init__(scheme_name="API key", description="A key with the scope that the route asks for.", auto_error=False)
        self.scope = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        access: Access = request.app.state.access
        given = header(request.scope, b"authorization")
        if given is None and self.scope == "recommend" and access.open_recommendations and _is_local(request):
            caller = "open"
            rate = access.requests_per_s
        else:
            key = await self._key(access, given)
            caller, rate = key.key_id, key.requests_per_s or access.requests_per_s
        request.scope["state"] |= {"caller": caller, "rate": rate}
        charge(request, 1)

    async def _key(self, access: Access, given: str | None) -> Key:
        scheme, _, token = (given or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(f"this needs a key with the scope {self.scope!r}: Authorization: Bearer cw_…")
        try:
            key = (await access.fresh_keys()).of(token.strip())
        except psycopg.Error:
            raise HTTPException(503, "keys cannot be checked: PostgreSQL cannot be reached") from None
        if key is None:
            raise _unauthorized("this key is not in force: `cartwheel api-keys` shows those that are")
        if self.scope not in key.scopes:
            raise HTTPException(403, f"key {key.key_id} lacks the scope {self.scope!r}")
        return key


def charge(request: Request, cost: float, paid: float = 0) -> None:
    """Count a request of the caller as `cost` requests, of which `paid` were counted before: `Allow` counts one.

    Raises:
        HTTPException: 429, the caller has asked too often.
    """
    access: Access = request.app.state.access
    state = request.scope["state"]
    wait = access.limiter.wait_s(state["caller"], state["rate"], cost, paid)
    if wait:
        raise HTTPException(429, f"more than {state['rate']:g} requests a second", {"Retry-After": str(math.ceil(wait))})


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    return _is_loopback(request.client.host)


@lru_cache(maxsize=1024)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
