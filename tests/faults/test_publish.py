"""A publisher that is killed at any step leaves one whole release serving, and the next run succeeds.

So does one that meets a full store, a clock that jumps, or stores that are killed and emptied under it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from multiprocessing.context import BaseContext

import drill_publish
import made_up_releases as made_up
import psycopg
import pytest
import redis

from cartwheel import warehouse
from cartwheel.contracts import LISTS
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.releases.lookup import recommend
from serving_export.releases.pool import Pool
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.release import Releases
from serving_export.releases.store import Store, release_of

REFRESHED = made_up.USERS[:20]
OLD, NEW, NEXT = date(1999, 3, 1), date(1999, 3, 2), date(1999, 3, 3)


@pytest.fixture
def target(stores: LocalConfig) -> Iterator[Releases]:
    made_up.make_schema()
    target = made_up.releases(kept=1, grace_s=60)
    made_up.publish(target, OLD)
    yield target
    made_up.drop_schema()


@pytest.fixture(scope="module")
def processes() -> BaseContext:
    return drill_publish.processes()


def publish_and_die(processes: BaseContext, day: date, step: str) -> None:
    process = processes.Process(target=made_up.publish_and_fault, args=(day, step))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def releases_served_whole(target: Releases) -> dict[str, str]:
    """The release each store serves, after checking every list of every user against it."""
    found = {}
    for store in stores(target):
        answers = [recommend(store, user, name, made_up.SIZE) for user in made_up.USERS[:-1] for name in LISTS]
        (release,) = {answer.release for answer in answers}
        assert all(len(answer.items) == made_up.SIZE for answer in answers)
        assert {item.reason for answer in answers for item in answer.items} == {f"of {release}"}
        found[store.name] = release
    return found


def stores(target: Releases) -> tuple[Store, Store]:
    """Both stores as a reader uses them: with connections that stay open."""
    return PostgresStore(Pool(get_settings().postgres_dsn, size=2).session, made_up.SCHEMA), target.redis


@contextmanager
def readers(target: Releases) -> Iterator[list[str]]:
    """Threads that read both stores all the while; yields what they find wrong."""
    wrong: list[str] = []
    counts: dict[str, int] = {}
    stop = threading.Event()

    def read(store: Store) -> None:
        while not stop.is_set():
            for user in made_up.USERS[:5]:
                answer = recommend(store, user, "for_you", made_up.SIZE)
                reasons = [item.reason for item in answer.items]
                counts[store.name] = counts.get(store.name, 0) + 1
                if answer.segment or reasons != [f"of {answer.release}"] * made_up.SIZE:
                    wrong.append(f"{store.name}: {answer}")
                time.sleep(0.002)

    def guarded(store: Store) -> None:
        try:
            read(store)
        except Exception as error:  # told by the test, not by a thread that ends quietly
            wrong.append(f"{store.name}: {error!r}")

    threads = [threading.Thread(target=guarded, args=(store,)) for store in stores(target)]
    for thread in threads:
        thread.start()
    yield wrong
    stop.set()
    for thread in threads:
        thread.join(30)
    assert min(counts.get(name, 0) for name in ("postgresql", "redis")) > 20


@pytest.mark.parametrize("step", made_up.STEPS)
def test_killed(target: Releases, processes: BaseContext, step: str) -> None:
    target.grace_s = 60
    with readers(target) as wrong:
        if step == "within removing":  # what an earlier run replaced is removed when this one begins
            made_up.publish(target, NEW)
            readers_have_had_their_time(target)
            publish_and_die(processes, NEXT, step)
        else:
            publish_and_die(processes, NEW, step)
        served = releases_served_whole(target)
        switched = {"between the two pointers": "postgresql", "after the pointers": "both", "within removing": "both"}.get(step)
        old, new = OLD.isoformat(), NEW.isoformat()
        assert served == {"postgresql": new if switched else old, "redis": new if switched == "both" else old}
        made_up.publish(target, NEXT)
        assert releases_served_whole(target) == {"postgresql": "1999-03-03", "redis": "1999-03-03"}
    assert wrong == []
    left = [build for build in target.catalog.builds() if build.status in ("loading", "verified")]
    assert all(build.release_id == new for build in left)
    made_up.publish(target, NEW)
    assert not [build for build in target.catalog.builds() if build.status in ("loading", "verified")]
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()


@pytest.mark.parametrize("fault", drill_publish.STORE_FAULTS)
@pytest.mark.parametrize("step", made_up.STEPS)
def test_a_store_fails(target: Releases, processes: BaseContext, stores: LocalConfig, step: str, fault: str) -> None:
    """It is back before the publisher goes on, which ends well or with an error; readers get whole lists throughout."""
    before, after = OLD, NEW
    if step == "within removing":
        made_up.publish(target, NEW)
        readers_have_had_their_time(target)
        before, after = NEW, NEXT
    happened = processes.Event()
    fails = partial(drill_publish.fail_store, stores, fault, happened)
    with drill_publish.Readers() as readers:
        process = processes.Process(target=made_up.publish_and_fault, args=(after, step, fails))
        process.start()
        process.join(60)
        assert (happened.is_set(), process.exitcode in (0, 1)) == (True, True)  # it ended by itself
        target = made_up.releases(kept=1, grace_s=60)  # connections to a killed server are gone
        target.tidy()
        (served,) = set(releases_served_whole(target).values())
        assert served == str(after) if process.exitcode == 0 else served in (str(before), str(after))
        made_up.publish(target, after)
        assert {release_of(store.current()) for store in (target.postgres, target.redis)} == {str(after)}
    assert readers.wrong == []
    assert sum(readers.reads.values()) > 20
    assert drill_publish.left_behind(target) == []


@pytest.mark.parametrize("over", [made_up.WHOLE, made_up.TOP])
@pytest.mark.parametrize("step", made_up.STEPS)
def test_killed_while_refreshing(target: Releases, processes: BaseContext, step: str, over: int) -> None:
    """Each list is of the release or of one layer; a killed refresh leaves what was served, and the next one succeeds."""
    made_up.refresh(target, REFRESHED[:10], "first")
    if step == "within removing":  # what an earlier run replaced is removed when this one begins
        made_up.refresh(target, REFRESHED, "second")
        readers_have_had_their_time(target)
    said = {"within removing": "third"}.get(step, "second")
    process = processes.Process(target=made_up.refresh_and_die, args=(REFRESHED, said, step, over))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    before, after = ["first"] * 10 + [f"of {OLD}"] * 10, [said] * 20
    expected = {
        "between the two pointers": (after, before),
        "after the pointers": (after, after),
        "within removing": (["second"] * 20, ["second"] * 20),  # it begins with removing
    }.get(step, (before, before))
    assert tuple(said_to(store) for store in stores(target)) == expected
    made_up.refresh(target, REFRESHED, "last")
    assert tuple(said_to(store) for store in stores(target)) == (["last"] * 20, ["last"] * 20)
    readers_have_had_their_time(target)
    target.tidy()
    assert [build.status for build in target.catalog.builds()] == ["ready", "ready"]
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()


def readers_have_had_their_time(target: Releases) -> None:
    target.catalog._execute("update {0}.builds set served_until = now() - interval '1 hour' where served_until is not null", ())


def said_to(store: Store) -> list[str]:
    """What the lists of the refreshed users say; everyone else's are of the release."""
    for user in made_up.USERS[20:-1]:
        assert {item.reason for item in recommend(store, user, "for_you", made_up.SIZE).items} == {f"of {OLD}"}
    answers = [recommend(store, user, name, made_up.SIZE) for user in REFRESHED for name in LISTS]
    reasons = [{item.reason for item in answer.items} for answer in answers]
    assert all(len(each) == 1 for each in reasons)  # no list is a mix
    assert reasons[::3] == reasons[1::3] == reasons[2::3]
    return [each.pop() for each in reasons[::3]]


def test_readers_never_see_a_mix_while_layers_come_and_go(target: Releases) -> None:
    """Reading lists of whole length, of the release or of one layer, with the titles of all that they show."""
    wrong: list[str] = []
    stop = threading.Event()

    def read(store: Store) -> None:
        while not stop.is_set():
            answer = recommend(store, REFRESHED[0], "for_you", made_up.SIZE)
            said = {item.reason for item in answer.items}
            if answer.segment or len(answer.items) != made_up.SIZE or len(said) != 1 or len(answer.titles) != made_up.SIZE:
                wrong.append(f"{store.name}: {answer}")

    threads = [threading.Thread(target=read, args=(store,)) for store in stores(target)]
    for thread in threads:
        thread.start()
    try:
        for number, over in enumerate([made_up.WHOLE, made_up.TOP, made_up.TOP, 1, made_up.WHOLE]):
            made_up.refresh(target, REFRESHED, f"layer {number}", over)
        made_up.publish(target, OLD)
        made_up.refresh(target, REFRESHED, "over the new build")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert wrong == []


def test_readers_never_see_a_mix_while_the_same_release_is_published_again(target: Releases) -> None:
    with readers(target) as wrong:
        for _ in range(4):
            made_up.publish(target, OLD)
    assert wrong == []


def test_fault_after_fault_while_readers_read(stores: LocalConfig) -> None:
    reads, done = drill_publish.drill(stores, kills=6, seed=3)
    assert sum(done.values()) == 9
    assert min(reads[name] for name in ("redis", "postgresql")) > 20


def test_a_full_redis_refuses_the_load_and_the_old_release_is_served(target: Releases) -> None:
    client = target.redis.client
    before = client.config_get("maxmemory")["maxmemory"]
    with readers(target) as wrong:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                made_up.publish(target, NEW)
        finally:
            client.config_set("maxmemory", before)
        assert releases_served_whole(target) == {"postgresql": OLD.isoformat(), "redis": OLD.isoformat()}
        made_up.publish(target, NEW)
        assert releases_served_whole(target) == {"postgresql": NEW.isoformat(), "redis": NEW.isoformat()}
    assert wrong == []
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()


def test_a_full_disk_refuses_the_load_and_the_old_release_is_served(target: Releases, processes: BaseContext) -> None:
    """The server's process may not write files beyond 16 kB, which is two pages of a table."""

    def limited() -> psycopg.Connection:
        connection = warehouse.connect()
        process = processes.Process(target=made_up.limit_files_of, args=(connection.info.backend_pid, 16_384))
        process.start()
        process.join()
        assert process.exitcode == 0
        return connection

    full = made_up.releases(kept=1, grace_s=60)
    full.postgres.session = limited
    with readers(target) as wrong:
        with pytest.raises(psycopg.Error, match="could not extend file"):
            made_up.publish(full, NEW)
        assert releases_served_whole(target) == {"postgresql": OLD.isoformat(), "redis": OLD.isoformat()}
        made_up.publish(target, NEW)
        assert releases_served_whole(target) == {"postgresql": NEW.isoformat(), "redis": NEW.isoformat()}
    assert wrong == []
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds()


@pytest.mark.parametrize("jump", ["- interval '400 days'", "+ interval '400 days'"])
def test_a_clock_that_jumps(target: Releases, jump: str) -> None:
    """The server's clock is the only one that is read: for the grace of readers and for what was abandoned."""

    def times_move() -> None:
        target.catalog._execute(
            "update {0}.builds set created_at = created_at " + jump + ", served_until = served_until " + jump, ()
        )

    with readers(target) as wrong:
        for _ in range(3):
            times_move()
            made_up.publish(target, OLD)
            newest = max(target.catalog.builds(), key=lambda build: int(build.build_id.rpartition(".")[2]))
            assert target.postgres.current() == target.redis.current() == newest.build_id
    assert wrong == []
    releases_served_whole(target)
    times_move()
    made_up.releases(kept=1, grace_s=0).tidy()
    (kept,) = target.catalog.builds()
    assert made_up.builds_in_redis() == target.redis.builds() == target.postgres.builds() == {kept.build_id}
