"""Publishing, rolling back and reading in both stores."""

import threading
from collections.abc import Iterator
from datetime import date

import made_up_releases as made_up
import psycopg
import pyarrow as pa
import pytest

from cartwheel import warehouse
from cartwheel.local.config import LocalConfig, free_ports
from cartwheel.settings import get_settings
from serving_export.releases.catalog import Build, PublishBusyError
from serving_export.releases.content import SCHEMAS, Part, checksum, measure
from serving_export.releases.lookup import IncompleteBuildError, recommend
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import RedisBehindError, Releases, UnknownReleaseError, VerificationError

FIRST, SECOND, THIRD, FOURTH = (date(1999, 1, day) for day in (1, 2, 3, 4))


@pytest.fixture
def target(stores: LocalConfig) -> Iterator[Releases]:
    made_up.make_schema()
    yield made_up.releases()
    made_up.drop_schema()


def served(target: Releases) -> set[str]:
    """The releases that the stores serve to one user."""
    return {recommend(store, made_up.USERS[0], "for_you", 5).release for store in (target.postgres, target.redis)}


def query(text: str) -> list[tuple]:
    with warehouse.connect() as connection:
        return connection.execute(text.replace("serving.", f"{made_up.SCHEMA}.")).fetchall()


ITEM_A_ROW = """
drop view serving.recommendations, serving.current_recommendations, serving.shown_lists, serving.lists;
drop table serving.user_lists, serving.segment_lists;
create table serving.lists (build_id text, user_id text, list text, rank integer, item_id text, score real, reason text)
    partition by list (build_id);
create table serving.lists_1 partition of serving.lists for values in ('1999-01-01.0');
create table serving.segment_lists (build_id text, segment text, rank integer, item_id text, score real, reason text);
create view serving.recommendations as select release_id, lists.* from serving.lists join serving.builds using (build_id);
create view serving.current_recommendations as select * from serving.recommendations;
insert into serving.builds (build_id, release_id, partition_date, model_version, status)
    values ('1999-01-01.0', '1999-01-01', '1999-01-01', '1', 'ready');
insert into serving.lists values ('1999-01-01.0', 'ann', 'for_you', 2, 'b', 0.25, 'two'),
    ('1999-01-01.0', 'ann', 'for_you', 1, 'a', 0.5, 'one');
insert into serving.segment_lists values ('1999-01-01.0', 'all', 1, 'a', 0.5, 'one');
insert into serving.pointer (build_id) values ('1999-01-01.0');
"""


def test_a_warehouse_with_an_item_a_row_serves_the_same_after_migrating(target: Releases) -> None:
    with warehouse.connect() as connection:
        connection.execute(ITEM_A_ROW.replace("serving.", f"{made_up.SCHEMA}."))
    for _ in range(2):
        made_up.lay_out()
        found = query("select user_id, list, rank, item_id, score, reason from serving.current_recommendations order by rank")
        assert found == [("ann", "for_you", 1, "a", 0.5, "one"), ("ann", "for_you", 2, "b", 0.25, "two")]
        assert target.postgres.user_list("1999-01-01.0", "ann", "discover") == []
        assert target.postgres.segment_list("1999-01-01.0", "all") == [("a", 0.5, "one")]
    made_up.publish(target, FIRST)
    assert served(target) == {"1999-01-01"}


def test_nothing_is_served_before_the_first_release(target: Releases) -> None:
    assert recommend(target.postgres, "user 1", "for_you", 5) is None
    assert recommend(target.redis, "user 1", "for_you", 5) is None


def test_both_stores_give_the_same_answers(target: Releases) -> None:
    made_up.publish(target, FIRST)
    for user, name in [*((user, name) for user in made_up.USERS for name in ("for_you", "buy_again")), ("cold user", "discover")]:
        answers = [recommend(store, user, name, 3) for store in (target.postgres, target.redis)]
        assert answers[0] == answers[1]
        assert answers[0].release == "1999-01-01"
    best = recommend(target.redis, "user 7", "discover", 3).items[0]
    assert (best.item_id, best.score, best.reason) == ("discover 1", 1.0, "of 1999-01-01")
    assert recommend(target.redis, "user 7", "discover", 1).titles == {"discover 1": 'The "discover 1", large'}


def test_an_empty_list_and_unknown_users(target: Releases) -> None:
    made_up.publish(target, FIRST)
    for store in (target.postgres, target.redis):
        empty = recommend(store, made_up.USERS[-1], "buy_again", 5)
        assert (empty.items, empty.segment) == ([], None)
        assert recommend(store, "cold user", "for_you", 5).segment == "25-34|*"
        assert recommend(store, "stranger", "for_you", 5).segment == "all"
        assert recommend(store, "stranger", "for_you", 5, age_band="25-34", income_band="rich").segment == "25-34|*"
        assert len(recommend(store, "stranger", "for_you", 5).items) == 5


def test_the_views_show_what_is_loaded_and_what_is_served(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    _, rows, _ = measure(made_up.content(FIRST))
    assert query("select release_id, count(*) from serving.recommendations group by 1 order by 1") == [
        ("1999-01-01", rows), ("1999-01-02", rows)]  # fmt: skip
    assert query("select release_id, count(*) from serving.current_recommendations group by 1") == [("1999-01-02", rows)]
    assert query("select release_id, status, users, rows, model_version from serving.releases order by 1") == [
        ("1999-01-01", "loaded", 30, rows, "test"), ("1999-01-02", "serving", 30, rows, "test")]  # fmt: skip


def test_only_the_latest_releases_stay_loaded_in_both_stores(target: Releases) -> None:
    for day in (FIRST, SECOND, THIRD, FOURTH):
        made_up.publish(target, day)
    assert query("select release_id from serving.releases order by 1") == [("1999-01-02",), ("1999-01-03",), ("1999-01-04",)]
    target.tidy()
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()
    partitions = query("select count(*) from pg_inherits where inhparent = 'serving.user_lists'::regclass")
    assert partitions == [(3,)]


def test_publishing_again_replaces_the_build(target: Releases) -> None:
    made_up.publish(target, FIRST)
    before = target.postgres.current()
    made_up.publish(target, FIRST)
    target.tidy()
    assert target.postgres.current() == target.redis.current() != before
    assert target.postgres.builds() == target.redis.builds() == {target.postgres.current()}


def test_readers_that_just_resolved_the_pointer_get_time(target: Releases) -> None:
    target.grace_s = 60
    made_up.publish(target, FIRST)
    before = target.redis.current()
    made_up.publish(target, FIRST)
    assert target.redis.user_list(before, "user 1", "for_you")
    assert target.postgres.user_list(before, "user 1", "for_you")


def test_rolling_back_moves_both_pointers_and_is_recorded(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    target.rollback("1999-01-01", "ann", "the test")
    assert served(target) == {"1999-01-01"}
    last = "select event, release_id, requested_by, reason from serving.release_events order by event_id desc limit 1"
    assert query(last) == [("rolled_back", "1999-01-01", "ann", "the test")]
    target.tidy()
    target.rollback("1999-01-02", "ann", "the test")
    assert served(target) == {"1999-01-02"}
    with pytest.raises(UnknownReleaseError, match="loaded are: 1999-01-01, 1999-01-02"):
        target.rollback("1999-01-03", "ann", "the test")


def test_an_earlier_date_is_loaded_but_does_not_replace_a_later_one(target: Releases) -> None:
    made_up.publish(target, SECOND)
    made_up.publish(target, FIRST)
    assert served(target) == {"1999-01-02"}
    target.rollback("1999-01-01", "ann", "the test")
    assert served(target) == {"1999-01-01"}


def test_a_store_that_differs_from_the_lake_is_not_switched_to(target: Releases) -> None:
    made_up.publish(target, FIRST)
    build = target.load(SECOND, made_up.content(SECOND), "test")
    target.redis.client.set(f"{made_up.PREFIX}:{build.build_id}:for_you:user 3", b"other")
    with pytest.raises(VerificationError, match="redis holds"):
        target.verify(SECOND, made_up.content(SECOND))
    with pytest.raises(UnknownReleaseError):
        target.switch(SECOND)
    query_update = (
        f"update {made_up.SCHEMA}.user_lists set scores[2] = 7 where build_id = '{build.build_id}' and user_id = 'user 3'"
    )
    with warehouse.connect() as connection:
        connection.execute(query_update)
    with pytest.raises(VerificationError, match="postgresql holds"):
        target.verify(SECOND, made_up.content(SECOND))
    assert served(target) == {"1999-01-01"}


def test_redis_is_filled_again_after_it_lost_everything(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    for build in target.redis.builds():
        target.redis.remove(build)
    with pytest.raises(IncompleteBuildError):
        recommend(target.redis, "user 1", "for_you", 5)
    target.tidy()
    assert served(target) == {"1999-01-02"}
    target.rollback("1999-01-01", "ann", "the test")
    assert served(target) == {"1999-01-01"}


def test_a_second_publish_waits_then_gives_way(target: Releases) -> None:
    with target.catalog.lock(wait_s=1):
        with pytest.raises(PublishBusyError, match="another publish"), made_up.releases().catalog.lock(wait_s=0.1):
            pass
        waiting = threading.Thread(target=made_up.publish, args=(made_up.releases(), FIRST))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(20)
    assert served(target) == {"1999-01-01"}


def test_a_rollback_fills_redis_only_while_nobody_erases(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    for build in target.redis.builds():
        target.redis.remove(build)
    with target.catalog.lock(wait_s=1):  # as an erasure holds it
        going_back = threading.Thread(target=made_up.releases().rollback, args=("1999-01-01", "ann", "the test"))
        going_back.start()
        going_back.join(0.5)
        assert going_back.is_alive() and not target.redis.builds()
    going_back.join(20)
    assert served(target) == {"1999-01-01"}


def test_a_redis_emptied_after_the_verification_is_filled_before_it_is_pointed_to(target: Releases) -> None:
    made_up.publish(target, FIRST)
    build = target.load(SECOND, made_up.content(SECOND), "test")
    target.verify(SECOND, made_up.content(SECOND))
    target.redis.remove(build.build_id)
    target.switch(SECOND)
    assert served(target) == {"1999-01-02"}


def test_a_rollback_does_not_wait_for_a_publish_that_is_loading(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    with target.catalog.lock(wait_s=1):  # as a publish holds it while it loads
        made_up.releases().rollback("1999-01-01", "ann", "the test")
        assert served(target) == {"1999-01-01"}


def test_a_rollback_does_not_wait_while_builds_are_removed(target: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (FIRST, SECOND, THIRD):
        made_up.publish(target, day)
    removed: list[str] = []

    def remove(build: Build) -> None:
        removed.append(build.release_id)
        with pytest.raises(UnknownReleaseError):
            made_up.releases().rollback(build.release_id, "ann", "the test")
        made_up.releases().rollback("1999-01-02", "ann", "the test")

    monkeypatch.setattr(target, "_remove", remove)
    target.kept = 2
    target.tidy()
    assert (served(target), set(removed)) == ({"1999-01-02"}, {"1999-01-01"})


def test_what_redis_alone_holds_is_swept_away_whether_it_knows_of_it_or_not(target: Releases) -> None:
    made_up.publish(target, FIRST)
    for name in ("1998-12-31.7:for_you:user 3", "1998-12-30.5:ready"):
        target.redis.client.set(f"{made_up.PREFIX}:{name}", b"from a backup")
    target.tidy()
    assert len(made_up.builds_in_redis()) == 3
    target.sweep()
    assert made_up.builds_in_redis() == target.redis.builds() == {target.postgres.current()}
    assert served(target) == {"1999-01-01"}


def test_a_rollback_while_redis_is_away(target: Releases) -> None:
    for day in (FIRST, SECOND):
        made_up.publish(target, day)
    (port,) = free_ports(1)
    cut_off = made_up.releases()
    cut_off.redis = RedisStore(f"redis://127.0.0.1:{port}/0", made_up.PREFIX)
    with pytest.raises(RedisBehindError, match="roll back again once it is reached"):
        cut_off.rollback("1999-01-01", "ann", "the test")
    assert (target.postgres.current(), target.redis.current()) == ("1999-01-01.1", "1999-01-02.2")
    target.rollback("1999-01-01", "ann", "the test")
    assert served(target) == {"1999-01-01"}


def test_the_apis_role_reads_serving_and_nothing_else(target: Releases) -> None:
    made_up.publish(target, FIRST)
    dsn = get_settings().api_postgres_dsn
    store = PostgresStore(lambda: warehouse.connect(dsn), made_up.SCHEMA)
    assert recommend(store, "cold user", "for_you", 5).segment == "25-34|*"
    for statement in ("select * from raw.items", f"delete from {made_up.SCHEMA}.pointer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), warehouse.connect(dsn) as connection:
            connection.execute(statement)


def test_texts_survive_both_stores(target: Releases) -> None:
    odd = ['say "hi", then\nleave', "", "naïve ☕", "\\.", "tab\there"]
    lists = made_up.content(FIRST)[0].lists.to_pylist()
    rows = [row | {"reasons": [odd[(n + at) % len(odd)] for at in range(len(row["reasons"]))]} for n, row in enumerate(lists)]
    content = [Part(pa.Table.from_pylist(rows, SCHEMAS["lists"]))]
    build = target.load(FIRST, content, "test").build_id
    assert [row for part in target.postgres.read(build) for row in part.lists.to_pylist()] == [
        row | {"scores": pytest.approx(row["scores"])} for row in rows
    ]
    assert target.postgres.checksum(build, content) == target.redis.checksum(build, content) == checksum(content)
