"""The explorer's addresses, under /explorer of the API. It is there if CARTWHEEL_EXPLORER_KEY and _POSTGRES_DSN are set.

    GET  /               the overview                    GET  /login     where the key is entered
    GET  /search?q=      users and items                 POST /login     opens a session
    GET  /suggest?q=     the same, as JSON               POST /logout    ends it
    GET  /user?id=, /item?id=

Pages only read, as a role that cannot write, each in one transaction: a release that is switched meanwhile shows whole.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any

import httpx
import psycopg
import structlog
from fastapi import Depends, FastAPI, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from cartwheel.settings import get_settings
from serving_export.explorer import models, overview, search, session
from serving_export.explorer.background import Background
from serving_export.explorer.charts import interval
from serving_export.explorer.items import read_item
from serving_export.explorer.pages import BASE, HERE, link, render
from serving_export.explorer.users import read_user
from serving_export.releases.pool import Pool

log = structlog.get_logger()

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
COVERAGE_TIMEOUT = "60s"
NO_EXPLORER = "There is no explorer here: CARTWHEEL_EXPLORER_KEY and CARTWHEEL_EXPLORER_POSTGRES_DSN are not set."

app = FastAPI(title="Cartwheel explorer", docs_url=None, redoc_url=None, openapi_url=None)
app.mount("/static", StaticFiles(directory=HERE / "static"))


class NotSignedInError(Exception):
    """The request has no session."""


@lru_cache
def pool() -> Pool:
    """Connections as the explorer's role."""
    return Pool(get_settings().explorer_postgres_dsn, size=4)


def key() -> str:
    """The explorer's key."""
    settings = get_settings()
    if not (settings.explorer_key and settings.explorer_postgres_dsn):
        raise StarletteHTTPException(404, NO_EXPLORER)
    return settings.explorer_key


Key = Annotated[str, Depends(key)]
Id = Annotated[str, Query(max_length=1000)]


def signed_in(request: Request, key: Key) -> None:
    """Every page that shows anything depends on it."""
    if not session.is_session(request.cookies.get(session.COOKIE, ""), key):
        raise NotSignedInError


@contextmanager
def reading(timeout: str = "2s") -> Iterator[psycopg.Connection]:
    """One transaction that sees one state of the database, and cannot change it."""
    with pool().session() as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("select set_config('statement_timeout', %s, true)", (timeout,))
        yield connection


def _coverage_of(build: Hashable) -> overview.Coverage:
    try:
        with reading(COVERAGE_TIMEOUT) as connection:
            return overview.read_coverage(connection, str(build).rpartition(".")[0])
    except psycopg.errors.QueryCanceled:  # kept as a value, so that not every load of the page begins it again
        return overview.Coverage(None, 0)


coverages: Background[overview.Coverage] = Background(_coverage_of, keep_s=24 * 3600)
versions: Background[list[models.ModelVersion]] = Background(lambda _: models.registered_versions(), keep_s=60)


@app.middleware("http")
async def add_headers(request: Request, call_next: Any) -> Response:
    """Nothing from elsewhere is loaded, and no page with personal data is kept by a browser or proxy."""
    response = await call_next(request)
    response.headers.update(HEADERS if not request.url.path.startswith(f"{BASE}/static/") else
                            HEADERS | {"Cache-Control": "no-cache"})  # fmt: skip
    return response


@app.get("/", dependencies=[Depends(signed_in)], response_class=HTMLResponse)
def get_overview() -> str:
    """Releases, models, coverage, what was bought, gates."""
    with reading() as connection:
        found = overview.read_overview(connection)
    known, problem = _models()
    top = max((quality.high for version in known or () for quality in version.quality.values()), default=0.0)
    return render(
        "overview", page=found, models=known, models_problem=problem, top=top, interval=interval,
        coverage=coverages.get(found.release.build_id) if found.release else None,
    )  # fmt: skip


def _models() -> tuple[list[models.ModelVersion] | None, str]:
    """The versions, or why there are none to show: a page is worth showing without them."""
    try:
        return versions.get(models.MODEL), "They are being read: load the page again in a moment."
    except httpx.HTTPError as error:
        log.warning("MLflow failed", error=type(error).__name__)
        return None, "MLflow cannot be reached; `cartwheel status` shows whether it runs."


@app.get("/user", dependencies=[Depends(signed_in)], response_class=HTMLResponse)
def get_user(id: Id) -> HTMLResponse:
    """One user."""
    with reading() as connection:
        user = search.find_user(connection, id)
        if user is None:
            return _problem(404, "No such user", f"The warehouse knows no user {id!r}.", id)
        return HTMLResponse(render("user", page=read_user(connection, user), query=id))


@app.get("/item", dependencies=[Depends(signed_in)], response_class=HTMLResponse)
def get_item(id: Id) -> HTMLResponse:
    """One item."""
    with reading() as connection:
        found = read_item(connection, id)
    if found is None:
        return _problem(404, "No such item", f"The warehouse knows no item {id!r}.", id)
    return HTMLResponse(render("item", page=found, query=id))


@app.get("/search", dependencies=[Depends(signed_in)])
def get_search(q: Id = "") -> Response:
    """What was found; the page itself if there is only one."""
    with reading() as connection:
        found = search.find(connection, q, wanted=50)
    page = found.only_page(q.strip())
    if page:
        return RedirectResponse(link(page[0], id=page[1]), 303)
    return HTMLResponse(render("search", found=found, query=q))


@app.get("/suggest")
def get_suggestions(request: Request, key: Key, q: Id = "") -> Response:
    """Users and items for what has been typed so far: a label, a note and an address each."""
    if not session.is_session(request.cookies.get(session.COOKIE, ""), key):
        return JSONResponse([], 401)
    with reading() as connection:
        found = search.find(connection, q)
    users = [{"label": user.user_id, "note": "user", "href": link("user", id=user.user_id)} for user in found.users]
    items = [
        {"label": item.title or item.item_id, "note": f"item {item.item_id}", "href": link("item", id=item.item_id)}
        for item in found.items
    ]
    return JSONResponse(users[: search.FOUND_AT_MOST // 2] + items)


@app.get("/login", response_class=HTMLResponse)
def get_login(key: Key, next: str = "") -> str:
    """The form for the key."""
    return render("login", signed_in=False, next=next, wrong=False)


@app.post("/login")
def post_login(
    request: Request, key: Key, offered: Annotated[str, Form(alias="key")] = "", next: Annotated[str, Form()] = ""
) -> Response:
    """A session for whoever has the key."""
    if not session.is_key(offered.strip(), key):
        log.warning("wrong key for the explorer")
        return HTMLResponse(render("login", signed_in=False, next=next, wrong=True), 403)
    # Only a page of the explorer itself is gone on to.
    response = RedirectResponse(next if next.startswith((f"{BASE}/", f"{BASE}?")) else f"{BASE}/", 303)
    response.set_cookie(
        session.COOKIE, session.new_session(key), max_age=session.LIFETIME_S, path=BASE, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@app.post("/logout", dependencies=[Depends(signed_in)])
def post_logout() -> Response:
    """Forget the session. A page elsewhere cannot ask for it: the cookie only comes with the explorer's own requests."""
    response = RedirectResponse(link("login"), 303)
    response.delete_cookie(session.COOKIE, path=BASE, httponly=True, samesite="strict")
    return response


def _problem(status: int, title: str, text: str, query: str = "", signed_in: bool = True) -> HTMLResponse:
    return HTMLResponse(render("problem", title=title, text=text, query=query, signed_in=signed_in), status)


@app.exception_handler(NotSignedInError)
def go_to_login(request: Request, error: NotSignedInError) -> Response:
    """To the key's form, and from there back to the page."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(link("login", next=asked) if request.method == "GET" else link("login"), 303)


@app.exception_handler(psycopg.Error)
def explain_database_error(request: Request, error: psycopg.Error) -> Response:
    """PostgreSQL is away, slow, or not laid out yet."""
    log.warning("PostgreSQL failed", path=request.url.path, error=f"{type(error).__name__}: {error.diag.message_primary or ''}")
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return _problem(503, "Nothing here yet", "The warehouse has not been built yet: `cartwheel run DATE` does it.")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return _problem(503, "That took too long", "PostgreSQL did not answer in time. Try again, or ask for less.")
    if not isinstance(error, psycopg.OperationalError):
        return _problem(503, "PostgreSQL refused", f"It answered {type(error).__name__}; the log of the API has more.")
    return _problem(503, "PostgreSQL cannot be reached", "Nothing can be shown without it; `cartwheel status` shows if it runs.")


@app.exception_handler(RequestValidationError)
def explain_validation_error(request: Request, error: RequestValidationError) -> Response:
    """A page was asked for without an id, or with one that is too long."""
    problems = "; ".join(f"{problem['loc'][-1]}: {problem['msg'].lower()}" for problem in error.errors())
    return _problem(422, "That cannot be asked", problems, signed_in=False)


@app.exception_handler(StarletteHTTPException)
def explain_http_error(request: Request, error: StarletteHTTPException) -> Response:
    """Unknown addresses."""
    text = "There is no page at this address." if error.detail == "Not Found" else error.detail
    return HTMLResponse(render("problem", title="Not found" if error.status_code == 404 else "Error", text=text, signed_in=False),
                        error.status_code)  # fmt: skip
