"""The API over both stores, and without them."""

from collections.abc import Iterator
from datetime import date

import made_up_releases as made_up
import pytest
from fastapi.testclient import TestClient

from cartwheel.local.config import LocalConfig, free_ports
from cartwheel.settings import get_settings
from serving_export.api.application import create_app
from serving_export.api.online import OnlineReader
from serving_export.api.stores import Stores
from serving_export.pool import Pool
from serving_export.postgres_store import PostgresStore

DAY = date(1999, 2, 1)


@pytest.fixture(scope="module")
def published(stores: LocalConfig) -> Iterator[None]:
    made_up.make_schema()
    made_up.publish(made_up.releases(), DAY)
    yield
    made_up.drop_schema()


def use(
    redis_url: str, postgres_dsn: str, prefix: str = made_up.PREFIX, store: type[PostgresStore] = PostgresStore
) -> TestClient:
    stores = Stores(OnlineReader(redis_url, prefix), store(Pool(postgres_dsn, size=2).session, made_up.SCHEMA))
    return TestClient(create_app(stores))


@pytest.fixture
def nowhere() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def client(published: None) -> Iterator[TestClient]:
    with use(get_settings().redis_url, get_settings().api_postgres_dsn) as client:
        yield client


def test_a_known_user_is_answered_from_redis(client: TestClient) -> None:
    answer = client.get("/v1/users/user 1/recommendations", params={"list": "discover", "limit": 2})
    assert answer.status_code == 200
    assert answer.json() == {
        "release": "1999-02-01", "user_id": "user 1", "list": "discover", "source": "redis", "segment": None,
        "items": [
            {"item_id": "discover 1", "rank": 1, "score": 1.0, "reason": "of 1999-02-01", "title": 'The "discover 1", large'},
            {"item_id": "discover 2", "rank": 2, "score": 0.5, "reason": "of 1999-02-01", "title": 'The "discover 2", large'},
        ],
    }  # fmt: skip


def test_postgresql_answers_the_same_when_redis_is_gone(client: TestClient, nowhere: str) -> None:
    path = "/v1/users/user 2/recommendations"
    from_redis = client.get(path).json()
    from_postgresql = use(f"redis://{nowhere}/0", get_settings().api_postgres_dsn).get(path).json()
    assert (from_redis.pop("source"), from_postgresql.pop("source")) == ("redis", "postgresql")
    assert from_postgresql == from_redis


def test_an_unknown_user_gets_a_popular_list(client: TestClient) -> None:
    answer = client.get("/v1/users/stranger/recommendations", params={"age_band": "25-34"}).json()
    assert (answer["source"], answer["segment"], len(answer["items"])) == ("popular", "25-34|*", 5)


def test_releases(client: TestClient) -> None:
    (release,) = client.get("/v1/releases").json()
    assert (release["release_id"], release["status"], release["users"]) == ("1999-02-01", "serving", 30)
    assert client.get("/v1/releases/current").json() == release


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/users/1/recommendations?list=worst", 422, "list: input should be 'for_you', 'buy_again' or 'discover'"),
        ("/v1/users/1/recommendations?limit=0", 422, "limit: input should be greater than or equal to 1"),
        ("/v2", 404, "there is nothing at /v2; / lists the addresses"),
    ],
)
def test_errors_are_one_sentence(client: TestClient, path: str, status: int, detail: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


def test_ready_tells_which_store_fails(client: TestClient, nowhere: str) -> None:
    assert client.get("/ready").status_code == 200
    answer = use(f"redis://{nowhere}/0", get_settings().api_postgres_dsn).get("/ready")
    assert answer.status_code == 503
    assert answer.json()["redis"]["status"] == "failed"
    assert answer.json()["postgresql"]["status"] == "ok"


def test_no_store_at_all(stores: LocalConfig, nowhere: str) -> None:
    client = use(f"redis://{nowhere}/0", f"postgresql://{nowhere}/none")
    answer = client.get("/v1/users/1/recommendations")
    assert (answer.status_code, answer.json()["detail"]) == (503, "neither Redis nor PostgreSQL can be reached")
    assert client.get("/health").json() == {"status": "ok"}


def test_before_the_first_release(published: None) -> None:
    client = use(get_settings().redis_url, get_settings().api_postgres_dsn, "cwtest-empty", EmptyStore)
    answer = client.get("/v1/users/1/recommendations")
    assert (answer.status_code, answer.json()["detail"]) == (503, "no release has been published yet")


class EmptyStore(PostgresStore):
    """PostgreSQL as it is before the first release: the pointer names nothing."""

    def current(self) -> str | None:
        return None


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
