"""The API over both stores, and without them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import made_up_releases as made_up
import pytest
import redis
from api_client import make_client, wait_until
from fastapi.testclient import TestClient
from structlog.testing import CapturingLogger

from cartwheel.local.config import LocalConfig, free_ports
from cartwheel.settings import PROJECT_ROOT, get_settings
from serving_export.api import observe
from serving_export.api.observe import PLAIN
from serving_export.releases.lookup import StoreReader
from serving_export.releases.pool import Pool
from serving_export.releases.postgres_store import PostgresStore

DAY = date(1999, 2, 1)


@pytest.fixture(scope="module")
def published(stores: LocalConfig) -> Iterator[None]:
    made_up.make_schema()
    made_up.publish(made_up.releases(), DAY)
    yield
    made_up.drop_schema()


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def client(published: None, tmp_path: Path) -> Iterator[TestClient]:
    with make_client(tmp_path) as client:
        yield client


def test_a_known_user_is_answered_from_redis(client: TestClient) -> None:
    answer = client.get("/v1/users/user 1/recommendations", params={"list": "discover", "limit": 2})
    assert answer.status_code == 200
    assert answer.json() == {
        "release": "1999-02-01", "user_id": "user 1", "list": "discover", "source": "redis", "segment": None,
        "context_used": [],
        "items": [
            {"item_id": "discover 1", "rank": 1, "score": 1.0, "reason": "of 1999-02-01", "title": 'The "discover 1", large'},
            {"item_id": "discover 2", "rank": 2, "score": 0.5, "reason": "of 1999-02-01", "title": 'The "discover 2", large'},
        ],
    }  # fmt: skip


def test_postgresql_answers_the_same_when_redis_is_gone(client: TestClient, nowhere: str, tmp_path: Path) -> None:
    path = "/v1/users/user 2/recommendations?region=north&page_item=for_you 1"
    from_redis = client.get(path).json()
    from_postgresql = make_client(tmp_path, redis_url=f"redis://{nowhere}/0").get(path).json()
    assert (from_redis.pop("source"), from_postgresql.pop("source")) == ("redis", "postgresql")
    assert from_postgresql == from_redis


def test_an_unknown_user_gets_a_popular_list(client: TestClient) -> None:
    answer = client.get("/v1/users/stranger/recommendations", params={"age_band": "25-34"}).json()
    assert (answer["source"], answer["segment"], len(answer["items"])) == ("popular", "25-34|*", 5)


def test_ids_may_hold_slashes(client: TestClient) -> None:
    for user in ("shop/7", "shop%2F7", "a/recommendations/b"):
        answer = client.get(f"/v1/users/{user}/recommendations").json()
        assert (answer["user_id"], answer["source"]) == (user.replace("%2F", "/"), "popular")
        reason = client.get(f"/v1/users/{user}/recommendations/aisle/9/reason")
        assert (reason.status_code, reason.json()["detail"]) == (404, "this item is not in this list of this user")


def test_releases(client: TestClient) -> None:
    (release,) = client.get("/v1/releases").json()
    assert (release["release_id"], release["status"], release["users"]) == ("1999-02-01", "serving", 30)
    assert client.get("/v1/releases/current").json() == release


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/users/1/recommendations?list=worst", 422, "list: input should be 'for_you', 'buy_again' or 'discover'"),
        ("/v1/users/1/recommendations?best=1", 422, "best: extra inputs are not permitted"),
        ("/v1/users/1/recommendations?limit=0", 422, "limit: input should be greater than or equal to 1"),
        ("/v1/users/%20/recommendations", 422, "user_id: string should match pattern '^[^\\x00]*[^\\x00\\s][^\\x00]*$'"),
        ("/v2", 404, "there is nothing at /v2; / lists the addresses"),
    ],
)
def test_errors_are_one_sentence(client: TestClient, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


def test_ready_tells_which_store_fails(client: TestClient, nowhere: str, tmp_path: Path) -> None:
    assert client.get("/ready").status_code == 200
    answer = make_client(tmp_path, redis_url=f"redis://{nowhere}/0").get("/ready")
    assert answer.status_code == 200  # PostgreSQL can answer all that Redis can
    assert answer.json()["redis"]["status"] == "failed"
    assert answer.json()["postgresql"]["status"] == "ok"
    answer = make_client(tmp_path, redis_url=f"redis://{nowhere}/0", postgres_dsn=f"postgresql://{nowhere}/none").get("/ready")
    assert answer.status_code == 503


def test_no_store_at_all(stores: LocalConfig, nowhere: str, tmp_path: Path) -> None:
    client = make_client(tmp_path, redis_url=f"redis://{nowhere}/0", postgres_dsn=f"postgresql://{nowhere}/none")
    answer = client.get("/v1/users/1/recommendations")
    assert (answer.status_code, answer.json()["detail"]) == (503, "no store that could answer can be reached")
    assert client.get("/health").json() == {"status": "ok"}


def test_before_the_first_release(published: None, tmp_path: Path) -> None:
    with make_client(tmp_path, prefix="cwtest-empty", store=EmptyStore) as client:
        answer = client.get("/v1/users/1/recommendations")
    assert (answer.status_code, answer.json()["detail"]) == (503, "no release has been published yet")


class EmptyStore(PostgresStore):
    """PostgreSQL as it is before the first release: the pointer names nothing."""

    def current(self) -> str | None:
        return None


def test_everyones_popular_list_is_remembered_when_both_stores_are_gone(client: TestClient, nowhere: str) -> None:
    wait_until(lambda: client.app.state.stores.popular is not None)
    lost = make_client(
        Path("unused"), redis_url=f"redis://{nowhere}/0", postgres_dsn=f"postgresql://{nowhere}/none"
    ).app.state.stores
    client.app.state.stores.readers = lost.readers
    answer = client.get("/v1/users/user 1/recommendations", params={"limit": 2}).json()
    assert (answer["source"], answer["segment"], answer["release"]) == ("popular", "all", "1999-02-01")
    assert [item["title"] for item in answer["items"]] == ['The "for_you 1", large', 'The "for_you 2", large']
    popular = client.get("/v1/popular", params={"age_band": "25-34", "limit": 2}).json()
    assert popular == {"release": "1999-02-01", "source": "popular", "segment": "all", "items": answer["items"]}
    assert client.get("/ready").status_code == 200
    for path in ("/v1/items/for_you 1/similar", "/v1/users/user 1/recommendations/for_you 1/reason"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (503, "no store that could answer can be reached")


def test_stores_that_have_just_failed_are_not_waited_for(
    client: TestClient, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each store is asked once; then the popular list answers, until they have rested and one request asks again."""
    wait_until(lambda: client.app.state.stores.popular is not None)
    options = {"redis_url": f"redis://{nowhere}/0", "postgres_dsn": f"postgresql://{nowhere}/none"}
    stores, asked = client.app.state.stores, []
    stores.readers = make_client(Path("unused"), **options).app.state.stores.readers
    for reader in stores.readers:
        monkeypatch.setattr(reader, "read", lambda *given, of=reader, read=reader.read: (asked.append(of.name), read(*given))[1])
    monkeypatch.setattr("serving_export.api.stores.REST_S", 3600.0)
    answers = [client.get("/v1/users/user 1/recommendations").json()["source"] for _ in range(20)]
    assert set(answers) == {"popular"} and asked == ["redis", "postgresql"]
    stores.failed_at = dict.fromkeys(stores.failed_at, -1e9)
    assert [len(stores._awake()) for _ in range(3)] == [2, 0, 0]


def test_it_is_recalled_too_when_redis_was_emptied_while_postgresql_is_gone(client: TestClient, nowhere: str) -> None:
    wait_until(lambda: client.app.state.stores.popular is not None)
    lost = make_client(Path("unused"), prefix="cwtest-empty", postgres_dsn=f"postgresql://{nowhere}/none").app.state.stores
    client.app.state.stores.readers = lost.readers
    answer = client.get("/v1/users/user 1/recommendations")
    assert (answer.status_code, answer.json()["source"], answer.json()["segment"]) == (200, "popular", "all")
    assert client.portal is not None
    client.portal.call(lost.online.close)


@pytest.mark.parametrize("path", ["/v1/popular", "/v1/items/for_you 1/similar", "/v1/users/user 1/recommendations"])
def test_postgresql_answers_when_redis_has_lost_the_build(client: TestClient, path: str) -> None:
    build = asyncio.run(StoreReader(PostgresStore(schema=made_up.SCHEMA)).read([]))
    assert build is not None
    lost = redis.Redis.from_url(get_settings().redis_url)
    lost.set("cwtest-lost:current", build[0])
    client.app.state.stores.online.prefix = "cwtest-lost"
    answer = client.get(path)
    lost.delete("cwtest-lost:current")
    assert answer.status_code == 200
    assert answer.json()["source"] == "postgresql" and answer.json()["items"]


def test_many_users_at_once(client: TestClient) -> None:
    wanted = {"user_ids": ["user 3", "stranger", "user 4"], "list": "buy_again", "limit": 1}
    results = client.post("/v1/recommendations", json=wanted).json()["results"]
    assert [(each["user_id"], each["source"], each["items"][0]["item_id"]) for each in results] == [
        ("user 3", "redis", "buy_again 1"), ("stranger", "popular", "for_you 1"), ("user 4", "redis", "buy_again 1"),
    ]  # fmt: skip
    too_many = client.post("/v1/recommendations", json={"user_ids": ["u"] * 201})
    assert too_many.status_code == 422


def test_excluded_items_are_left_out(client: TestClient) -> None:
    answer = client.get("/v1/users/user 1/recommendations", params={"exclude": ["for_you 1", "unknown"], "limit": 1}).json()
    assert (answer["items"][0]["item_id"], answer["items"][0]["rank"], answer["context_used"]) == ("for_you 2", 1, ["exclude"])


@pytest.mark.parametrize(
    ("context", "order", "used"),
    [
        ({"region": "north"}, [2, 1, 3, 4, 5], ["region"]),  # exp(0.6) / 12 > 1 / 11
        ({"region": "south", "hour": 3, "device": "app"}, [1, 2, 3, 4, 5], []),
        ({"page_item": "for_you 1"}, [4, 2, 3, 5], ["page_item"]),  # without itself, for_you 4 is third: 2 / 13 > 1 / 11
        ({"page_item": "discover 1"}, [3, 1, 2, 4, 5], ["page_item"]),  # 1.5 / 13 > 1 / 11
    ],
)
def test_context_puts_the_list_in_another_order(client: TestClient, context: dict, order: list[int], used: list[str]) -> None:
    answer = client.get("/v1/users/user 1/recommendations", params=context).json()
    assert [item["item_id"] for item in answer["items"]] == [f"for_you {number}" for number in order]
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(order) + 1))
    assert answer["context_used"] == used


def test_similar_items(client: TestClient) -> None:
    answer = client.get("/v1/items/for_you 1/similar").json()
    assert [(item["item_id"], item["score"]) for item in answer["items"]] == [("for_you 4", 0.5)]
    assert client.get("/v1/items/nothing/similar").status_code == 404


def test_names_that_the_release_lacks_are_not_remembered(client: TestClient) -> None:
    for number in range(3):
        client.get(f"/v1/items/unknown {number}/similar")
        client.get("/v1/users/user 1/recommendations", params={"page_item": f"unknown {number}"})
    remembered = client.app.state.stores.online.remembered[1]
    assert remembered["title"]
    assert [name for names in remembered.values() for name, value in names.items() if "unknown" in name or value is None] == []


def test_the_reason_of_one_item(client: TestClient) -> None:
    answer = client.get("/v1/users/user 1/recommendations/discover 3/reason", params={"list": "discover"}).json()
    assert (answer["item"]["rank"], answer["item"]["reason"]) == (3, "of 1999-02-01")
    assert client.get("/v1/users/user 1/recommendations/soap/reason").status_code == 404


def test_popular_by_segment(client: TestClient) -> None:
    answer = client.get("/v1/popular", params={"age_band": "25-34", "limit": 2}).json()
    assert (answer["segment"], [item["rank"] for item in answer["items"]]) == ("25-34|*", [1, 2])


def test_request_ids_come_back(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = client.get("/health", headers={"X-Request-ID": "not plain!"}).headers["x-request-id"]
    assert PLAIN.fullmatch(made) and made != client.get("/health").headers["x-request-id"]


def test_metrics_count_what_was_asked(client: TestClient) -> None:
    client.get("/v1/users/user 1/recommendations")
    text = client.get("/metrics").text
    assert 'cartwheel_api_requests_total{route="/v1/users/{user_id}/recommendations",status="200"}' in text
    assert "user 1" not in text


def test_no_user_in_the_log(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    written = CapturingLogger()
    monkeypatch.setattr(observe, "log", written)
    client.get("/v1/users/user 7/recommendations", headers={"X-Request-ID": "line-7"})
    (line,) = [call.kwargs for call in written.calls]
    assert (line["route"], line["status"], line["request_id"]) == ("/v1/users/{user_id}/recommendations", 200, "line-7")
    assert "user 7" not in str(line)


def test_no_user_in_what_the_server_writes(published: None, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "uvicorn", "--factory", "serving_export.api.application:create_app", "--port", str(port)]
    environment = {**os.environ, "CARTWHEEL_API_JOURNAL_DIR": str(tmp_path / "journal")}
    with (tmp_path / "log").open("w+") as log:
        server = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}/v1/users/user-8/recommendations"))
        finally:
            server.terminate()
            server.wait()
        log.seek(0)
        written = log.read()
    assert '"route":"/v1/users/{user_id}/recommendations"' in written
    assert "user-8" not in written


def _answers(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.ConnectError:
        return False
    return True


def test_the_landing_page_links_to_what_exists(client: TestClient) -> None:
    assert "/v1/releases" in client.get("/").text


def test_the_pool_replaces_a_connection_the_server_closed(published: None) -> None:
    pool = Pool(get_settings().postgres_dsn, size=1)
    with pool.session() as connection:
        first = connection.info.backend_pid
    with made_up.warehouse.connect() as admin:
        admin.execute("select pg_terminate_backend(%s, 2000)", (first,))
    with pool.session() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert connection.info.backend_pid != first
