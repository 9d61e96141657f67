"""Keys, scopes and limits, with the real table of keys."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import httpx
import made_up_releases as made_up
import pytest
from api_client import make_app, make_client
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cartwheel import api_keys, warehouse
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.api.bodies import MAX_BODY_BYTES, TOO_LARGE

PATH = "/v1/users/user 1/recommendations"


@pytest.fixture(scope="module", autouse=True)
def published(stores: LocalConfig) -> Iterator[None]:
    made_up.make_schema()
    made_up.publish(made_up.releases(), date(1999, 2, 2))
    yield
    made_up.drop_schema()


def make_key(*scopes: str, requests_per_s: float | None = None) -> str:
    token = api_keys.new_token()
    with warehouse.connect() as connection:
        api_keys.add(connection, token, "of a test", scopes, requests_per_s)
    return token


def test_without_a_key(tmp_path: Path) -> None:
    client = make_client(tmp_path, key="")
    for answer in (client.get(PATH), client.post("/v1/events", json={}), client.get("/metrics")):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/health").status_code == 200


async def _post(app: FastAPI, path: str, body: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
    """With a client that hands over an iterator's parts one by one, without a length, as they are asked for."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        return await client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(("path", "status"), [("/v1/recommendations", 413), ("/v1/events", 413), ("/explorer/login", 400)])
def test_a_body_that_is_too_large_is_not_read(tmp_path: Path, path: str, status: int) -> None:
    read: list[int] = []

    async def parts() -> AsyncIterator[bytes]:
        for number in range(64):
            read.append(number)
            yield b"&" * (1 << 20)

    # Only the route of the events looks at the key before the body.
    headers = {"Authorization": f"Bearer {get_settings().api_key}"} if path == "/v1/events" else {}
    headers |= {"Content-Type": "application/x-www-form-urlencoded"} if path == "/explorer/login" else {}
    for body in (b"&" * (MAX_BODY_BYTES + 1), parts()):
        answer = asyncio.run(_post(make_app(tmp_path), path, body, **headers))
        assert answer.status_code == status and (status == 400 or answer.json() == {"detail": TOO_LARGE})
    assert len(read) == 5


def test_a_body_that_is_just_small_enough_is_read(tmp_path: Path) -> None:
    answer = make_client(tmp_path, key="").post("/v1/recommendations", content=b"{}".ljust(MAX_BODY_BYTES))
    assert answer.status_code == 401


def test_a_key_opens_what_its_scopes_say(tmp_path: Path) -> None:
    with make_client(tmp_path, key=make_key("recommend")) as client:
        assert client.get(PATH).status_code == 200
        refused = client.post("/v1/events", json={})
        assert (refused.status_code, "lacks the scope 'events'" in refused.json()["detail"]) == (403, True)


def test_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    token = make_key("recommend")
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert make_client(tmp_path, key=wrong).get(PATH).status_code == 401


def test_only_a_salted_hash_is_kept() -> None:
    token = make_key("recommend")
    with warehouse.connect() as connection:
        row = connection.execute("select keys::text from serving.api_keys as keys where key_id = %s", (token[3:11],)).fetchone()
    assert row is not None and token.split("_")[2] not in row[0]


def test_a_revoked_key_stops_working(tmp_path: Path) -> None:
    token = make_key("recommend")
    with make_client(tmp_path, key=token) as client:
        assert client.get(PATH).status_code == 200
        with warehouse.connect() as connection:
            assert api_keys.revoke(connection, token[3:11])
        client.app.state.access.keys.read_at = float("-inf")  # as two seconds later
        assert client.get(PATH).status_code == 401


def test_too_many_requests(tmp_path: Path) -> None:
    with make_client(tmp_path, key=make_key("recommend", requests_per_s=0.01)) as client:
        assert client.get(PATH).status_code == 200
        refused = client.get(PATH)
    assert (refused.status_code, refused.json()["detail"]) == (429, "more than 0.01 requests a second")
    assert 90 <= int(refused.headers["retry-after"]) <= 100


def test_a_batch_that_costs_more_than_a_bucket_passes_when_told(tmp_path: Path) -> None:
    token = make_key("recommend", "events", requests_per_s=1)
    users = {"user_ids": ["user 1"] * 50}
    with make_client(tmp_path, key=token) as client:
        assert client.post("/v1/recommendations", json=users).status_code == 200
        _wait(client, token, 1)
        refused = client.post("/v1/recommendations", json=users)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        _wait(client, token, 2)
        event = {"event_type": "click", "user_id": "u", "item_id": "i", "event_ts": "1999-02-02T10:00:00Z"}
        events = [event | {"event_id": f"limits-{number}"} for number in range(50)]
        assert client.post("/v1/events", json={"events": events}).status_code == 202
    for segment in tmp_path.iterdir():
        segment.unlink()  # these events belong to no landing zone


def _wait(client: TestClient, token: str, seconds: float) -> None:
    """As so much later."""
    buckets = client.app.state.access.limiter.buckets
    tokens, since = buckets[token[3:11]]
    buckets[token[3:11]] = (tokens, since - seconds)


def test_open_recommendations_are_for_this_machine_alone(tmp_path: Path) -> None:
    with make_client(tmp_path, key="", address="127.0.0.1", open_recommendations=True) as client:
        assert client.get(PATH).status_code == 200
        assert client.get(PATH, headers={"X-Forwarded-For": "8.8.8.8"}).status_code == 401
        assert client.post("/v1/events", json={}).status_code == 401
    with make_client(tmp_path, key="", address="8.8.8.8", open_recommendations=True) as client:
        assert client.get(PATH).status_code == 401


def test_the_embedded_key_has_all_scopes(tmp_path: Path) -> None:
    assert get_settings().api_key.startswith("cw_embedded_")
    assert make_client(tmp_path).get("/metrics").status_code == 200
