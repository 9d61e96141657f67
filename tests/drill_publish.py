"""Fault after fault while readers read: publishers are killed at random moments and steps, stores are killed and emptied.

    make drill-publish
    CARTWHEEL_LOCAL_DIR=.local/test .venv/bin/python tests/drill_publish.py --kills 100

The publisher is killed so often at a random moment; after every second time one of the other faults comes, in turn.

Every round starts a publisher, does one thing to it or to a store, waits until both stores answer, publishes again and looks
for what was left behind. Readers ask as the API does: Redis, and PostgreSQL when Redis does not know. A list that is not
whole, not of the release it claims, or missing, ends the drill with an error. Works in a schema and under a prefix of its
own, but kills the real servers of that folder.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import cycle
from multiprocessing.context import BaseContext
from multiprocessing.synchronize import Event

import made_up_releases as made_up
import psycopg
import redis

from cartwheel import warehouse
from cartwheel.local import supervisor
from cartwheel.local.config import LocalConfig, ensure_config
from cartwheel.settings import get_settings
from serving_export.releases.lookup import Answer, IncompleteBuildError, recommend
from serving_export.releases.pool import Pool
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

MOMENT = "publisher killed at a moment"
START = date(1999, 3, 1)
REFRESHED = "within the day"
DOES_NOT_ANSWER = (psycopg.Error, redis.RedisError, IncompleteBuildError)


def processes() -> BaseContext:
    """Makes processes fast: forks of one that has imported everything and runs no threads."""
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["made_up_releases"])
    return context


class Readers:
    """Threads that ask for lists all the while."""

    def __init__(self, threads: int = 3) -> None:
        self.wrong: list[str] = []
        self.reads: Counter[str] = Counter()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._read, args=(number,)) for number in range(threads)]

    def __enter__(self) -> "Readers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _read(self, seed: int) -> None:
        stores = (
            RedisStore(get_settings().redis_url, made_up.PREFIX, timeout_s=2),
            PostgresStore(Pool(get_settings().postgres_dsn, size=1).session, made_up.SCHEMA),
        )
        chance = random.Random(seed)
        while not self.stop.is_set():
            user = chance.choice(made_up.USERS[:-1])
            answer = None
            for store in stores:
                try:
                    answer = recommend(store, user, "for_you", made_up.SIZE)
                except DOES_NOT_ANSWER:
                    continue
                if answer is not None:
                    self.reads[store.name] += 1
                    break
            if answer is None or not whole(answer):
                self.wrong.append(f"{user}: {answer}")
            time.sleep(0.002)


def whole(answer: Answer) -> bool:
    """A list of the user's own, of full length, all of it of one release, or of one layer over it."""
    said = {item.reason for item in answer.items}
    return not answer.segment and len(answer.items) == made_up.SIZE and said in ({f"of {answer.release}"}, {REFRESHED})


def kill_store(config: LocalConfig, name: str) -> None:
    """SIGKILL; the supervisor starts it again."""
    supervisor.proxy(config).signalProcess(name, "KILL")


# What can befall a store. A killed one is started again.
STORE_FAULTS: dict[str, Callable[[LocalConfig], object]] = {
    "PostgreSQL killed": lambda config: kill_store(config, "postgres"),
    "Redis killed": lambda config: kill_store(config, "valkey"),
    "Redis emptied": lambda _: redis.Redis.from_url(get_settings().redis_url).flushall(),
}


def wait_for_stores() -> None:
    while True:
        try:
            with warehouse.connect() as connection:
                connection.execute("select 1")
            redis.Redis.from_url(get_settings().redis_url).ping()
        except DOES_NOT_ANSWER:
            time.sleep(0.1)
        else:
            return


def fail_store(config: LocalConfig, fault: str, happened: Event) -> None:
    """Let one of `STORE_FAULTS` happen, and wait until both stores answer."""
    STORE_FAULTS[fault](config)
    wait_for_stores()
    happened.set()


def publish_in_process(day: date, step: str | None) -> None:
    """For a process of its own; dies at a step of `made_up.STEPS` if one is named."""
    target = made_up.releases(kept=1, grace_s=1)
    if step:
        made_up.befall(target, step)
    made_up.publish(target, day)


@contextmanager
def publisher(context: BaseContext, day: date, step: str | None = None) -> Iterator[multiprocessing.process.BaseProcess]:
    process = context.Process(target=publish_in_process, args=(day, step))  # type: ignore[attr-defined]
    process.start()
    yield process
    process.join()


def faults(config: LocalConfig, context: BaseContext, chance: random.Random) -> dict[str, Callable[[date], None]]:
    """Each publishes a day and disturbs it."""

    def killed(day: date) -> None:
        died = False
        while not died:  # one that has ended before its moment is no fault
            with publisher(context, day) as process:
                process.join(chance.uniform(0.0, 0.8))
                process.kill()
            died = process.exitcode == -signal.SIGKILL

    def killed_at_a_step(day: date) -> None:
        with publisher(context, day, chance.choice([step for step in made_up.STEPS if step != "within removing"])) as process:
            process.join()
            assert process.exitcode == -signal.SIGKILL

    def refresh_killed_at_a_step(day: date) -> None:
        """A layer is laid over the day before, which is served, and one over it or in its place dies on its way."""
        made_up.refresh(made_up.releases(kept=1, grace_s=1), made_up.USERS[:-1], REFRESHED)
        step = chance.choice([step for step in made_up.STEPS if step != "within removing"])
        over = chance.choice([made_up.WHOLE, made_up.TOP])
        process = context.Process(target=made_up.refresh_and_die, args=(made_up.USERS[:-1], REFRESHED, step, over))  # type: ignore[attr-defined]
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL

    def store_fails(fault: str) -> Callable[[date], None]:
        def disturb(day: date) -> None:
            with publisher(context, day) as process:
                process.join(chance.uniform(0.0, 0.8))
                STORE_FAULTS[fault](config)

        return disturb

    def two_at_once(day: date) -> None:
        with publisher(context, day), publisher(context, day):
            pass

    return {
        MOMENT: killed,
        **{fault: store_fails(fault) for fault in STORE_FAULTS},
        "refresh killed at a step": refresh_killed_at_a_step,
        "publisher killed at a step": killed_at_a_step,
        "two publishers": two_at_once,
    }


def left_behind(target: Releases) -> list[str]:
    """What should not be there once the last publish has tidied up and everyone who was reading has ended."""
    target.catalog._execute("update {0}.builds set served_until = now() - interval '1 hour' where served_until is not null", ())
    target.tidy()
    (kept,) = target.catalog.builds()
    with warehouse.connect() as connection:
        partitions = connection.execute(
            "select count(*) from pg_class where relnamespace = %s::regnamespace and relname ~ '^user_lists_[0-9_]+$'",
            (made_up.SCHEMA,),
        ).fetchone()
    keys = sum(1 for _ in target.redis.client.scan_iter(f"{made_up.PREFIX}:*"))
    content = made_up.content(kept.partition_date)
    expected = target.redis.checksum(kept.build_id, content).entries + 3  # and `ready`, the set of builds and the pointer
    found = {
        "partitions": (partitions, (1,)),
        "keys": (keys, expected),
        "builds in Redis": (made_up.builds_in_redis() | target.redis.builds(), {kept.build_id}),
    }
    return [f"{what}: {there} instead of {wanted}" for what, (there, wanted) in found.items() if there != wanted]


def drill(config: LocalConfig, kills: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """Reads by store and faults by kind.

    Raises:
        AssertionError: a reader saw what is not whole, or something was left behind.
    """
    chance, context, done = random.Random(seed), processes(), Counter[str]()
    made_up.make_schema()
    target = made_up.releases(kept=1, grace_s=1)
    made_up.publish(target, START)
    kinds = faults(config, context, chance)
    others = cycle(kind for kind in kinds if kind != MOMENT)
    plan = [name for number in range(kills) for name in ([MOMENT, next(others)] if number % 2 else [MOMENT])]
    with Readers() as readers:
        for number, name in enumerate(plan):
            day = START + timedelta(days=number + 1)
            kinds[name](day)
            wait_for_stores()
            target = made_up.releases(kept=1, grace_s=1)  # connections to a killed server are gone
            made_up.publish(target, day)
            assert {store.current() for store in (target.redis, target.postgres)} == {target.catalog.builds()[-1].build_id}
            done[name] += 1
            print(f"{number + 1}/{len(plan)} {name}: {sum(readers.reads.values())} reads, {len(readers.wrong)} wrong", flush=True)
            assert readers.wrong == []
    assert readers.wrong == []
    assert left_behind(target) == []
    made_up.drop_schema()
    return readers.reads, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of the publisher, at random moments")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    reads, done = drill(ensure_config(), arguments.kills, arguments.seed)
    print(f"{sum(reads.values())} reads {dict(reads)}, {sum(done.values())} faults {dict(done)}, none wrong, nothing left behind")


if __name__ == "__main__":
    main()
