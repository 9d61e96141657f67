"""The explorer over a real warehouse: before it is built, before the first release, and with two releases."""

import html
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pytest
from explorer_shop import FIRST, HOSTILE, KEY, SECOND, TITLE, build_marts, explorer_shop, publish
from fastapi.testclient import TestClient

from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.local.config import free_ports
from cartwheel.settings import get_settings
from serving_export.api.application import create_app
from serving_export.explorer import overview, routes
from serving_export.explorer.models import ModelVersion, Quality
from serving_export.releases.found_by import load_found_by

PAGES = ["/", "/user?id=user%201", "/item?id=for_you%201", "/search?q=user"]


@pytest.fixture(scope="module", autouse=True)
def shop(stores, tmp_path_factory):
    with explorer_shop(stores, "cartwheel_test_explorer", tmp_path_factory.mktemp("logs")):
        yield


@pytest.fixture(scope="module")
def built(shop):
    build_marts()


@pytest.fixture(scope="module")
def published(built):
    publish(FIRST, SECOND)


@pytest.fixture
def stranger() -> TestClient:
    return TestClient(create_app(), base_url="http://127.0.0.1/explorer", follow_redirects=False)


@pytest.fixture
def operator(stranger: TestClient) -> TestClient:
    """Signed in."""
    assert stranger.post("/login", data={"key": KEY}).status_code == 303
    return stranger


@pytest.fixture
def trained(monkeypatch):
    found = [ModelVersion(7, "1999-03-01", "champion", f"better {HOSTILE}", {"all": Quality("all", 0.4, 0.38, 0.42, 0.2)})]
    routes.versions.known.clear()
    monkeypatch.setattr(routes.versions, "compute", lambda _: found)
    yield
    routes.versions.known.clear()


def test_a_warehouse_that_has_not_been_built(operator):
    answer = operator.get("/")
    assert answer.status_code == 503 and "has not been built yet" in answer.text


def test_before_the_first_release(built, operator, trained):
    page = operator.get("/").text
    assert "No release has been published yet" in page and "No gate has run yet" in page
    assert "No release has been published yet" in operator.get("/user?id=user%201").text
    assert "No release has been published yet" in operator.get("/item?id=other").text


def test_a_user(published, operator):
    page = operator.get("/user", params={"id": "user 1"}).text
    assert "segment <b>25-34|50-74K</b>" in page
    assert f"Release {SECOND}, by version test of the ranker; changes against release {FIRST}" in page
    assert page.count(f"<small>of {SECOND}</small>") == 15  # three lists of five, with the reasons of the served release
    assert page.count("0 entered, 0 left, 0 moved.") == 3
    assert "<h4>1 Mar 1999</h4>" in page and html.escape(TITLE, quote=False).replace('"', "&#34;") in page


def test_what_found_an_item(published, operator):
    with warehouse.connect() as connection:
        query = "select user_key from intermediate.int_user_keys where user_id = 'user 1'"
        ((key,),) = connection.execute(query).fetchall()
    listed = [{"user_key": key, "list": "for_you", "rank": rank, "item_id": f"for_you {rank}"} for rank in (1, 2)]
    named = [{"user_key": key, "item_id": "for_you 1", "als_rank": 3, "content_rank": 1}]
    for dataset, rows in (("release", listed), ("candidates/union", named)):
        schema = LAKE_SCHEMAS[dataset]
        lake.write(dataset, SECOND, pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema))
    for _ in range(2):
        load_found_by(SECOND)
    page = operator.get("/user", params={"id": "user 1"}).text
    assert page.count("<small>found by als, content</small>") == 1 and page.count("found by") == 1


def test_a_user_without_lists(published, operator):
    page = operator.get("/user", params={"id": HOSTILE}).text
    assert f"Release {SECOND} holds no lists for this user" in page and "document.title=&#34;harmed&#34;" in page


def test_an_item(published, operator):
    page = operator.get("/item", params={"id": "for_you 1"}).text
    assert "In <b>30</b> lists" in page and "best rank 1, median 1." in page
    assert ">Bread</a>" in page and "<small>× 3.0</small>" in page  # in 4 of its 4 baskets, against 4 of all 12


def test_the_overview(published, operator, trained):
    page = operator.get("/").text
    assert f"<h1>Release {SECOND} is served</h1>" in page
    assert page.count(" published</span>") == 2
    assert "Version 7" in page and "0.400" in page and "0.380 to 0.420" in page
    assert "of the 3 that may be recommended" in page  # the other listed items are in no catalogue


def test_a_release_that_is_too_large_to_be_counted(published, operator, trained, monkeypatch):
    routes.coverages.known.clear()
    with monkeypatch.context() as slow:
        slow.setattr(routes, "COVERAGE_TIMEOUT", "50ms")
        slow.setattr(overview, "AVAILABLE", "select 1 from pg_sleep(60)")
        pages = [operator.get("/")]
    pages.append(operator.get("/"))  # it is not counted again at once
    routes.coverages.known.clear()
    for page in pages:
        assert page.status_code == 200 and "Version 7" in page.text
        assert "This release is too large to be counted" in page.text and f"release_id = '{SECOND}'" in page.text


def test_who_rolled_back_and_why(published, operator, trained):
    with warehouse.connect() as connection:
        connection.execute(
            "insert into serving.release_events (event, release_id, build_id, requested_by, reason)"
            " values ('rolled_back', '1999-03-01', '1999-03-01.1', 'ann', %s)", (f"too many {HOSTILE}",),
        )  # fmt: skip
    page = operator.get("/").text
    assert "1999-03-01 rolled back by ann<small>too many &#34;&gt;" in page


def test_without_mlflow_the_rest_of_the_overview_stands(published, operator, monkeypatch):
    monkeypatch.setenv("CARTWHEEL_MLFLOW_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    get_settings.cache_clear()
    routes.versions.known.clear()
    page = operator.get("/").text
    monkeypatch.undo()
    get_settings.cache_clear()
    assert "MLflow cannot be reached" in page and f"Release {SECOND} is served" in page


def test_gates_and_what_to_do(published, operator, trained):
    with warehouse.connect() as connection:
        connection.execute(
            "insert into ops.gate_runs (gate, business_date, checked_at, seconds, expectations, failed, warned, data_docs)"
            " values ('raw', %s, now(), 1, 9, array['quantity'], '{}', 'page')", (FIRST,),
        )  # fmt: skip
        connection.execute(
            "insert into ops.gate_results (gate, business_date, checked, expectation, level, success, observed, advice)"
            " values ('raw', %s, 'raw.interactions', 'quantity at most 9', 'fail', false, %s, 'ask the shop')", (FIRST, HOSTILE),
        )  # fmt: skip
    page = operator.get("/").text
    assert "1 of 9 failed" in page and "quantity at most 9" in page and "ask the shop" in page


def test_suggestions_and_search(published, operator):
    assert [each["label"] for each in operator.get("/suggest", params={"q": "user 1"}).json()] == ["user 1", "user 10", "user 11"]
    assert operator.get("/suggest", params={"q": "mIlK"}).json() == [
        {"label": TITLE, "note": "item for_you 1", "href": "/explorer/item?id=for_you+1"}
    ]
    assert operator.get("/search", params={"q": "user 1"}).headers["location"] == "/explorer/user?id=user+1"
    assert "No user's id begins with this" in operator.get("/search", params={"q": "% or 1=1 --"}).text


@pytest.mark.parametrize("text", ["nobody", "'; drop table marts.dim_users; --", "a\0b", "%", "../../etc", "ü" * 300])
def test_who_is_unknown_is_said_so(published, operator, text):
    for page in ("/user", "/item"):
        answer = operator.get(page, params={"id": text})
        assert answer.status_code == 404 and "The warehouse knows no" in answer.text


@pytest.mark.parametrize("page", [*PAGES, f"/user?id={quote(HOSTILE)}", f"/search?q={quote(HOSTILE[:-1])}"])
def test_nothing_that_landed_becomes_markup(published, operator, trained, page):
    answer = operator.get(page, follow_redirects=True)
    assert answer.text.count("<script") == 1 and "<script>document" not in answer.text


def test_a_stranger_sees_the_form_alone(published, stranger):
    for page in PAGES:
        answer = stranger.get(page)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/explorer/login?next=%2Fexplorer%2F")
        assert not answer.content
    assert stranger.get("/suggest", params={"q": "user"}).status_code == 401
    assert stranger.post("/logout").headers["location"] == "/explorer/login"


def test_a_wrong_key_opens_nothing(published, stranger):
    answer = stranger.post("/login", data={"key": f"{KEY}!"})
    assert answer.status_code == 403 and "That is not the key" in answer.text and "set-cookie" not in answer.headers


def test_the_session(published, stranger):
    answer = stranger.post("/login", data={"key": KEY, "next": "/explorer/user?id=user+1"})
    assert answer.headers["location"] == "/explorer/user?id=user+1"
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/explorer", "Max-Age=43200"))
    assert KEY not in cookie
    assert "Max-Age=0" in stranger.post("/logout").headers["set-cookie"]
    assert stranger.get("/").status_code == 303


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com/", "/v1/releases", "/explorer.example.com/"])
def test_after_signing_in_nobody_is_sent_elsewhere(published, stranger, elsewhere):
    assert stranger.post("/login", data={"key": KEY, "next": elsewhere}).headers["location"] == "/explorer/"


def test_every_page_forbids_what_is_not_its_own(published, operator):
    for page in (*PAGES, "/login", "/nowhere", "/user?id=nobody"):
        headers = operator.get(page).headers
        assert "default-src 'none'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_an_explorer_that_is_not_set_up(monkeypatch, stranger):
    monkeypatch.setenv("CARTWHEEL_EXPLORER_KEY", "")
    get_settings.cache_clear()
    for page in ("/", "/login", "/suggest?q=1"):
        answer = stranger.get(page)
        assert answer.status_code == 404 and "are not set" in answer.text
    assert stranger.post("/login", data={"key": ""}).status_code == 404
    monkeypatch.undo()
    get_settings.cache_clear()


def test_a_short_key_is_refused(monkeypatch):
    monkeypatch.setenv("CARTWHEEL_EXPLORER_KEY", "1234")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=r"CARTWHEEL_EXPLORER_KEY: .*20 characters"):
        get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_without_postgresql(published, operator, monkeypatch):
    monkeypatch.setenv("CARTWHEEL_EXPLORER_POSTGRES_DSN", f"postgresql://127.0.0.1:{free_ports(1)[0]}/none")
    get_settings.cache_clear()
    routes.pool.cache_clear()
    answer = operator.get("/")
    monkeypatch.undo()
    get_settings.cache_clear()
    routes.pool.cache_clear()
    assert answer.status_code == 503 and "PostgreSQL cannot be reached" in answer.text


def test_the_role_reads_what_the_pages_need_and_writes_nothing(published):
    with psycopg.connect(get_settings().explorer_postgres_dsn, autocommit=True) as connection:
        for statement in (
            "select * from intermediate.int_user_keys",
            "select * from ops.user_key_pads",
            "select * from raw.interactions",
            "select * from serving.builds",
            "delete from marts.dim_users",
            "insert into serving.release_events (event) values ('removed')",
            "create table marts.mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        assert connection.execute("select user_id from ops.find_users('user 1', 2)").fetchall() == [("user 1",), ("user 10",)]


def test_the_apis_interface_does_not_name_it():
    assert "/explorer" not in TestClient(create_app()).get("/openapi.json").text
