"""From a file that lands within the day to new lists in both stores, on a made-up shop of its own."""

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl
import pyarrow as pa
import pytest
from landing_zone import clear, land
from own_warehouse import SECRET, own_warehouse

from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.ingest import ingest
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.lists.build_lists import build_lists
from serving_export.lists.explain import explain
from serving_export.lists.score import score
from serving_export.refresh import few_users, layer
from serving_export.refresh.refresh import refresh, today
from serving_export.releases import publish
from serving_export.releases.lookup import recommend

DAY, TODAY = date(1999, 4, 1), date(1999, 4, 2)
USERS = ["ann", "bob", "cid", "dee", "eve"]
ITEMS = ["apple", "bread", "cheese"]
KEYS = {user: warehouse.user_key(SECRET.encode(), user) for user in USERS}


def rows(dataset: str, *given: dict) -> pa.Table:
    schema = LAKE_SCHEMAS[dataset]
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in given], schema)


class LastItemRanker:
    """Everyone should have what they bought last; else the alphabet decides. It says that the history did it."""

    def score(self, *, candidates: pa.Table, sequences: pa.Table, user_item: pa.Table, **_: pa.Table) -> pa.Table:
        last = pl.DataFrame(sequences).select("user_key", last=pl.col("item_ids").list.last())
        bought = pl.DataFrame(user_item).select("user_key", "item_id", bought=True)
        scored = pl.DataFrame(candidates).join(last, on="user_key").join(bought, on=["user_key", "item_id"], how="left")
        value = pl.when(pl.col("item_id") == pl.col("last")).then(1.0).otherwise(0.5 - pl.col("item_id").rank("dense") / 10)
        return scored.select(
            "user_key", "item_id", score=value, source=pl.lit("ranker"), bought=pl.col("bought").fill_null(False)
        ).to_arrow()

    def explain(self, pairs: pa.Table, **_: pa.Table) -> pa.Table:
        said = {"own": 1.0, "affinity": 0.0, "similar": 0.0, "price": 0.0, "item": 0.0, "sequence": 0.0, "baseline": 0.0}
        return pa.Table.from_pylist([row | said | {"moved_by": [], "moved_by_effects": []} for row in pairs.to_pylist()])


@pytest.fixture(scope="module")
def place(stores: LocalConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with own_warehouse(stores, "cartwheel_test_refresh", tmp_path_factory.mktemp("logs")):
        yield


@pytest.fixture
def shop(place: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five users who have bought apples; the release of a date, made by `LastItemRanker`, is served."""
    monkeypatch.setattr(few_users, "USERS_PER_FILE", 2)
    make_release(DAY)
    yield
    clear()
    with warehouse.connect() as connection:
        connection.execute("truncate serving.pointer, serving.release_events")
    target = publish.releases()
    for build in reversed(target.catalog.builds()):
        target._remove(build)


def make_release(day: date) -> None:
    about = {"department": "FOOD", "category": "food", "available": True}
    at = pl.datetime(day.year, day.month, day.day, 10, time_zone="UTC")
    (moment,) = pl.select(at).to_series()
    tables: dict[str, list[dict]] = {name: [] for name in LAKE_SCHEMAS if name.startswith("features/")} | {
        "items": [{"item_id": item, "title": item.title()} | about for item in ITEMS],
        "users": [{"user_key": key} for key in KEYS.values()],
        "no_consent": [],
        "features/item": [{"item_id": item, "purchases": 10, "purchases_28": 0} for item in ITEMS],
        "features/user": [{"user_key": key} for key in KEYS.values()],
        "features/user_item": [
            {"user_key": key, "item_id": "apple", "purchases": 2, "purchases_28": 1, "recency_days": 3.0, "decayed_visits": 1}
            for key in KEYS.values()
        ],
        "features/sequences": [
            {"user_key": key, "item_ids": ["apple"], "event_ts": [moment], "session_ids": ["s"]} for key in KEYS.values()
        ],
        "candidates/union": [{"user_key": key, "item_id": item} for key in KEYS.values() for item in ITEMS],
    }
    for dataset, content in tables.items():
        lake.write(dataset, day, rows(dataset, *content))
    with warehouse.connect() as connection:
        connection.execute("create table if not exists intermediate.int_user_keys (user_id text primary key, user_key text)")
        for user, key in KEYS.items():
            connection.execute("insert into intermediate.int_user_keys values (%s, %s) on conflict do nothing", (user, key))
    score(day, LastItemRanker(), "7")
    explain(day, LastItemRanker())
    build_lists(day)
    publish.publish(day)


def buy(file: str, *purchases: tuple[str, str]) -> None:
    land(
        f"interactions/{TODAY}/{file}.csv",
        *(f"{file}-{n},purchase,{user},{item},{TODAY}T{file[:2]}:{file[2:]}:0{n}Z,1" for n, (user, item) in enumerate(purchases)),
    )
    ingest(TODAY)


def shown(user: str, name: str = "for_you") -> list[tuple[str, str]]:
    """The items and reasons of a list: the same from both stores."""
    target = publish.releases()
    first, second = (recommend(store, user, name, 10) for store in (target.postgres, target.redis))
    assert first == second
    assert [first.titles[item.item_id] for item in first.items] == [item.item_id.title() for item in first.items]
    return [(item.item_id, item.reason) for item in first.items]


def in_the_lake() -> dict[str, bytes]:
    """Everything but what the refresh writes for itself."""
    bucket = get_settings().lake_bucket
    found = {item["Key"]: lake.get_bytes(bucket, item["Key"]) for item in lake.list_objects(bucket)}
    assert any(key.startswith(few_users.FOLDER) for key in found)
    return {key: body for key, body in found.items() if not key.startswith(few_users.FOLDER)}


def builds() -> list[tuple[str, int | None]]:
    with warehouse.connect() as connection:
        return connection.execute(
            "select status, case when base_build_id is not null then users end from serving.builds"
            " order by split_part(build_id, '.', 2)::bigint"
        ).fetchall()


BEFORE = [
    ("apple", "Buy again: you bought it 2 times, last 3 days ago"),
    ("bread", "Picked for you"),
    ("cheese", "Picked for you"),
]


def test_those_who_bought_something_get_new_lists_and_nobody_else(shop: None) -> None:
    assert today() == TODAY
    assert [shown(user) for user in USERS] == [BEFORE] * 5
    buy("0900", ("bob", "cheese"), ("bob", "cheese"), ("stranger", "cheese"))
    assert refresh(ranker=LastItemRanker()) == 1
    assert shown("bob") == [
        ("cheese", "Buy again: you bought it once, today"),
        ("apple", "Buy again: you bought it 2 times, last 3 days ago"),
        ("bread", "Because you often buy food"),  # three purchases now
    ]
    assert [item for item, _ in shown("bob", "buy_again")] == ["cheese", "apple"]
    assert [item for item, _ in shown("bob", "discover")] == ["bread"]
    assert [shown(user) for user in USERS if user != "bob"] == [BEFORE] * 4
    assert builds() == [("ready", None), ("ready", 1)]


@pytest.mark.parametrize("copied", [0, 1000])  # each refresh has a layer of its own, or takes in those before
def test_refreshes_add_up_until_the_next_release(shop: None, monkeypatch: pytest.MonkeyPatch, copied: int) -> None:
    monkeypatch.setattr(layer, "COPIED_PER_USER", 0)
    monkeypatch.setattr(layer, "COPIED_ANYHOW", copied)
    buy("0900", ("bob", "cheese"))
    refresh(ranker=LastItemRanker())
    before = in_the_lake()
    buy("0915", ("ann", "bread"), ("eve", "apple"))
    assert refresh(ranker=LastItemRanker()) == 2
    buy("0930", ("bob", "bread"), ("dee", "cheese"))
    assert refresh(ranker=LastItemRanker()) == 2
    first = {user: shown(user)[0] for user in USERS}
    assert first == {
        "ann": ("bread", "Buy again: you bought it once, today"),
        "bob": ("bread", "Buy again: you bought it once, today"),
        "cid": BEFORE[0],
        "dee": ("cheese", "Buy again: you bought it once, today"),
        "eve": ("apple", "Buy again: you bought it 3 times, last today"),
    }
    assert shown("bob")[1:] == [BEFORE[0], ("cheese", "Buy again: you bought it once, today")]  # of two files
    assert refresh(ranker=LastItemRanker()) == 0
    assert in_the_lake() == before
    stack = publish.releases().catalog.stack(publish.releases().catalog.served())
    assert [build.users for build in stack[:-1]] == ([4] if copied else [2, 2, 1])
    make_release(TODAY)
    publish.prune()
    assert [shown(user) for user in USERS] == [BEFORE] * 5
    with warehouse.connect() as connection:  # those who read the layer have had their minute
        connection.execute("update serving.builds set served_until = now() - interval '1 hour' where served_until is not null")
    publish.prune()
    assert builds() == [("ready", None), ("ready", None)]
    assert publish.releases().redis.builds() == publish.releases().postgres.builds()


def test_without_purchases_nothing_is_loaded(shop: None) -> None:
    land(f"interactions/{TODAY}/0900.csv", f"v,view,ann,bread,{TODAY}T01:00:00Z,1")
    ingest(TODAY)
    assert refresh(ranker=LastItemRanker()) == 0
    buy("0915", ("stranger", "bread"))
    assert refresh(ranker=LastItemRanker()) == 0
    assert builds() == [("ready", None)]


def test_who_withdraws_consent_within_the_day_is_left_out(shop: None) -> None:
    land(f"users/{TODAY}.csv", "ann,false", header="user_id,consent\n")
    buy("0900", ("ann", "bread"), ("bob", "bread"))
    assert refresh(ranker=LastItemRanker()) == 1
    assert shown("ann") == BEFORE


def test_who_withdraws_consent_after_a_refresh_has_the_list_of_the_night_again(shop: None) -> None:
    buy("0900", ("ann", "bread"), ("bob", "bread"))
    refresh(ranker=LastItemRanker())
    of_bob = shown("bob")
    assert shown("ann") != BEFORE
    land(f"users/{TODAY}.csv", "ann,false", header="user_id,consent\n")
    ingest(TODAY)
    assert refresh(ranker=LastItemRanker()) == 0, "nobody has bought anything since"
    assert (shown("ann"), shown("bob")) == (BEFORE, of_bob)
    buy("0915", ("bob", "cheese"))
    assert refresh(ranker=LastItemRanker()) == 1
    assert shown("ann") == BEFORE


def test_a_rollback_stands_until_the_next_release(shop: None) -> None:
    make_release(DAY - timedelta(days=1))
    publish.rollback("1999-03-31", "the test", "to see")
    buy("0900", ("ann", "bread"))
    assert refresh(ranker=LastItemRanker()) == 0
    make_release(DAY)
    assert refresh(ranker=LastItemRanker()) == 1


def test_a_release_that_is_published_again_has_its_own_tables(shop: None) -> None:
    buy("0900", ("ann", "bread"))
    refresh(ranker=LastItemRanker())
    lake.write("candidates/union", DAY, rows("candidates/union", {"user_key": KEYS["ann"], "item_id": "cheese"}))
    buy("0915", ("ann", "apple"))
    refresh(ranker=LastItemRanker())
    assert len(shown("ann")) == 3
    publish.publish(DAY)
    refresh(ranker=LastItemRanker())
    assert [item for item, _ in shown("ann")] == ["cheese"]


def test_of_all_users_nothing_is_read_after_the_first_refresh(shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    buy("0900", ("bob", "cheese"))
    refresh(ranker=LastItemRanker())
    read, parts = set(), lake._parts
    monkeypatch.setattr(lake, "_parts", lambda dataset, day: (read.add(dataset), parts(dataset, day))[1])
    buy("0915", ("ann", "bread"))
    refresh(ranker=LastItemRanker())
    assert read == {"items", "features/item"}


def test_the_sources_of_what_the_new_lists_may_name_are_kept(shop: None) -> None:
    pairs = [{"user_key": KEYS["ann"], "item_id": "bread"}, {"user_key": KEYS["ann"], "item_id": "cheese", "als_rank": 2}]
    lake.write("candidates/union", DAY, rows("candidates/union", *pairs))
    for file, item in (("0900", "bread"), ("0915", "cheese")):
        buy(file, ("ann", item), ("bob", item))
        refresh(ranker=LastItemRanker())
        with warehouse.connect() as connection:
            found = connection.execute("select build_id, user_id, item_ids, sources from serving.found_by").fetchall()
        served = publish.releases().catalog.served()
        assert found == [(served.stack[-1], "ann", ["bread", "cheese"], ["", "als"])]


def test_few_users_are_read_whole_and_without_others(shop: None) -> None:
    few_users.cut(publish.releases().catalog.served())
    whole = pl.DataFrame(lake.read("candidates/union", DAY))
    for some in ([KEYS["ann"]], sorted(KEYS.values())[1:4], [KEYS["eve"], "0", "nobody"], ["nobody"]):
        tables = few_users.read(some)
        expected = whole.filter(pl.col("user_key").is_in(some)).sort("user_key", maintain_order=True)
        assert tables["candidates"].equals(expected)
        assert tables["user"].height == expected["user_key"].n_unique()
    names = [item["Key"] for item in lake.list_objects(get_settings().lake_bucket, few_users.FOLDER)]
    assert len(names) == 3 * 6 + 2 + 1  # the tables, the facts of items and the mark
    assert not [name for name in names if any(key in name for key in KEYS.values())]
