"""Loading a release into PostgreSQL and Redis, beside the least that loading the same data can cost.

    make bench-publish
    .venv/bin/python -m benchmarks.publish --users 1000000 --runs 3

Made up, for N users: `for_you` of 50 items out of 20,000 with a reason each out of 3,000, as long as real ones; the other
two lists are empty. So PostgreSQL gets 3 N rows and Redis 3 N keys, of about 2.9 and 2.2 kB a user.

Each run measures, one after the other and each into empty stores:

- a bare binary COPY of the same rows, encoded beforehand, into a logged table without an index;
- `PostgresStore.load`: encoding, COPY, index, attaching, statistics;
- the same keys as SET commands in the Redis protocol, encoded beforehand, all sent before the last answer is read;
- `RedisStore.load`.

Then, in a process of its own for N / 5 and for N users, the whole way: the lake's release → both stores → verified. What
was made is removed. The last line is a JSON document; ratios are medians over the runs, and 1 is the speed of the bare load.
"""

import argparse
import json
import logging
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from operator import truediv
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pyarrow as pa
import structlog

from benchmarks.processes import Watch
from cartwheel import lake, warehouse
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import get_settings
from serving_export.releases.binary_columns import buffer_of, decimals, joined, lengths, repeated
from serving_export.releases.binary_copy import HEADER, TRAILER, binary_rows
from serving_export.releases.catalog import Catalog
from serving_export.releases.content import SCHEMAS, Content, Part, entries, read_content
from serving_export.releases.postgres_store import PostgresStore, partition
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

DAY, PREFIX = date(1900, 1, 1), "cwbench"
USERS_PER_PART, ITEMS, LIST_SIZE = 20_000, 20_000, 50
TABLE = "serving.bench_bare"
ITEM_IDS = pa.array([str(1_000_000 + 7 * number) for number in range(ITEMS)])
REASONS = pa.array(
    [f"Because you bought Product of kind {number}" for number in range(2000)]
    + [f"Buy again: you bought it {times} times, last {days} days ago" for times in range(2, 22) for days in range(40)]
    + [f"Popular this month in Department {number}" for number in range(200)]
)


@dataclass(frozen=True)
class MadeUp:
    """The release of so many users, in parts; the same every time."""

    users: int

    def flat(self) -> Iterator[pa.Table]:
        """Rows of the lake's `release`, in its order."""
        for start in range(0, self.users, USERS_PER_PART):
            chance, users = np.random.default_rng(start), min(USERS_PER_PART, self.users - start)
            rows = users * LIST_SIZE
            columns = {
                "user_key": pl.Series(_keys(start, users)).gather(np.repeat(np.arange(users), LIST_SIZE)).to_arrow(),
                "list": pa.array(["for_you"]).take(pa.array(np.zeros(rows, np.int32))),
                "rank": pa.array(np.tile(np.arange(1, LIST_SIZE + 1, dtype=np.int32), users)),
                "item_id": ITEM_IDS.take(pa.array(chance.integers(0, ITEMS, rows))),
                "score": pa.array(chance.random(rows, np.float32)),
                "reason": REASONS.take(pa.array(chance.integers(0, len(REASONS), rows))),
            }
            yield pa.table(columns).cast(LAKE_SCHEMAS["release"])

    def __iter__(self) -> Iterator[Part]:
        for number, rows in enumerate(self.flat()):
            users = len(rows) // LIST_SIZE
            ends: np.ndarray = (np.arange(3 * users + 1) // 3 * LIST_SIZE).astype(
                np.int32
            )  # the first two lists of each user are empty
            lists = {
                "user_id": pa.array(np.repeat(np.arange(users) + number * USERS_PER_PART, 3)).cast(pa.string()),
                "list": pa.array(["buy_again", "discover", "for_you"] * users),
            }
            for name, source in (("item_ids", "item_id"), ("scores", "score"), ("reasons", "reason")):
                lists[name] = pa.ListArray.from_arrays(pa.array(ends), rows[source].combine_chunks())
            yield Part(pa.table(lists).cast(SCHEMAS["lists"]))


@dataclass(frozen=True)
class MadeUpKeys:
    """What the warehouse knows of the users."""

    users: int

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for start in range(0, self.users, USERS_PER_PART):
            users = min(USERS_PER_PART, self.users - start)
            yield pl.DataFrame({"user_key": _keys(start, users), "user_id": [str(start + n) for n in range(users)]})


def _keys(start: int, users: int) -> list[str]:
    return [f"{number:032x}" for number in range(start, start + users)]


def bare_copy(content: Content) -> float:
    """Seconds of a binary COPY of the same rows; encoding them is not counted."""
    seconds = 0.0
    with warehouse.connect() as connection:
        connection.execute(f"drop table if exists {TABLE}")
        connection.execute(f"create table {TABLE} (like serving.user_lists) with (toast_tuple_target = 8160)")
    with warehouse.connect() as connection, connection.cursor().copy(f"copy {TABLE} from stdin (format binary)") as copy:
        copy.write(HEADER)
        for part in content:
            build = pa.array([f"{DAY}.1"] * len(part.lists))
            data = buffer_of(binary_rows(part.lists.add_column(0, "build_id", build)))
            started = time.monotonic()
            copy.write(data)
            seconds += time.monotonic() - started
        started = time.monotonic()
        copy.write(TRAILER)
    seconds += time.monotonic() - started
    with warehouse.connect() as connection:
        connection.execute(f"drop table {TABLE}")
    return seconds


def raw_redis(content: Content) -> float:
    """Seconds of the same keys as SET commands over a socket; encoding them is not counted."""
    seconds, address = 0.0, urlsplit(get_settings().redis_url)
    with socket.create_connection((address.hostname, address.port)) as server:
        if address.password:
            _send(server, b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%b\r\n" % (len(address.password), address.password.encode()), 1)
        for part in content:
            keys, values = entries(part)
            full = joined(repeated(f"{PREFIX}:{DAY}.1:".encode(), len(keys)), keys)
            head, end, dollar = (repeated(each, len(keys)) for each in (b"*3\r\n$3\r\nSET\r\n$", b"\r\n", b"$"))
            key_bytes, value_bytes = (decimals(lengths(each)) for each in (full, values))
            commands = buffer_of(joined(head, key_bytes, end, full, end, dollar, value_bytes, end, values, end))
            seconds += timed(partial(_send, server, commands, len(keys)))
    return seconds


def _send(server: socket.socket, commands: bytes | memoryview, answers: int) -> None:
    server.sendall(commands)
    left = answers * len(b"+OK\r\n")
    while left:
        answer = server.recv(1 << 16)
        if not answer or b"-" in answer:
            raise ConnectionError(f"the server refused a command: {answer[:100]!r}")
        left -= len(answer)


def timed(task: Callable[[], object]) -> float:
    started = time.monotonic()
    task()
    return time.monotonic() - started


def target() -> Releases:
    return Releases(Catalog(), PostgresStore(), RedisStore(get_settings().redis_url, PREFIX), kept=1)


def side_by_side(users: int, runs: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of each load in each run; bytes that a user takes in each store, indexes and keys included."""
    stores, content = target(), MadeUp(users)
    seconds: dict[str, list[float]] = {
        "copy": [],
        "postgres": [],
        "raw": [],
        "redis": [],
        "verify_postgres": [],
        "verify_redis": [],
    }
    for run in range(1, runs + 1):
        clean(stores)
        build = stores.catalog.create(DAY.isoformat(), DAY, "made up").build_id
        seconds["copy"].append(bare_copy(content))
        seconds["postgres"].append(timed(partial(stores.postgres.load, build, content)))
        seconds["verify_postgres"].append(timed(partial(stores.postgres.checksum, build, content)))
        seconds["raw"].append(raw_redis(content))
        clean(stores, redis_only=True)
        before = redis_memory(stores)
        seconds["redis"].append(timed(partial(stores.redis.load, build, content)))
        seconds["verify_redis"].append(timed(partial(stores.redis.checksum, build, content)))
        print(f"run {run}: " + ", ".join(f"{name} {each[-1]:.1f} s" for name, each in seconds.items()), flush=True)
        size = {"postgres": bytes_in_postgres(build) // users, "redis": (redis_memory(stores) - before) // users}
    clean(stores)
    return seconds, size


def bytes_in_postgres(build: str) -> int:
    with warehouse.connect() as connection:
        row = connection.execute("select pg_total_relation_size(format('serving.%%I', %s::text))", (partition(build),)).fetchone()
    return row[0] if row else 0


def redis_memory(stores: Releases) -> int:
    return stores.redis.client.info("memory")["used_memory"]


def whole_way(users: int) -> dict[str, float]:
    """From the lake into both stores, and verified; in a process of its own, whose peak of memory this is."""
    stores, content, watch = target(), read_content(DAY, MadeUpKeys(users)), Watch(os.getpid())
    load = timed(lambda: stores.load(DAY, content, "made up"))
    verify = timed(lambda: stores.verify(DAY, content))
    clean(stores)
    return {
        "users": users,
        "load_s": load,
        "verify_s": verify,
        "peak_mb": watch.take()[1] / 2**20,
    }


def fill_lake(users: int) -> None:
    lake.write_batches("release", DAY, MadeUp(users).flat())
    popular = {"segment": ["all"], "rank": [1], "item_id": ["1000000"], "score": [1.0], "reason": ["Popular"]}
    lake.write("release_segments", DAY, pa.table(popular))
    lake.write("users", DAY, LAKE_SCHEMAS["users"].empty_table())
    lake.write("items", DAY, LAKE_SCHEMAS["items"].empty_table())


def clean(stores: Releases, redis_only: bool = False) -> None:
    """Remove what this program has made; Redis' log of commands is rewritten, or it would keep them all."""
    for name in stores.redis.builds():
        stores.redis.remove(name)
    if stores.redis.client.config_get("appendonly")["appendonly"] == "yes":
        await_rewriting(stores)  # of its own, which it may have begun
        stores.redis.client.bgrewriteaof()
        await_rewriting(stores)
    if not redis_only:
        for build in stores.catalog.builds():
            if build.release_id == DAY.isoformat():
                stores.postgres.remove(build.build_id)
                stores.catalog.forget(build)


def await_rewriting(stores: Releases) -> None:
    """Wait until Redis is not rewriting its log of commands."""
    while any(stores.redis.client.info("persistence")[f"aof_rewrite_{state}"] for state in ("in_progress", "scheduled")):
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    seconds, size = side_by_side(arguments.users, arguments.runs)
    journeys = []
    for users in (arguments.users // 5, arguments.users):
        fill_lake(users)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            journeys.append(pool.apply(whole_way, (users,)))
        print("from the lake:", json.dumps(journeys[-1]), flush=True)
    for dataset in ("release", "release_segments", "users", "items"):
        lake.delete(dataset, DAY)
    median = {name: statistics.median(each) for name, each in seconds.items()}
    ratios = {"postgres_to_copy": ("copy", "postgres"), "redis_to_raw": ("raw", "redis")}
    document = {
        name: round(statistics.median(map(truediv, seconds[bare], seconds[ours])), 3) for name, (bare, ours) in ratios.items()
    }
    document |= {"peak_memory_mb": {str(each["users"]): round(each["peak_mb"]) for each in journeys}}
    document |= {
        "users": arguments.users,
        "runs": arguments.runs,
        "seconds": median,
        "bytes_per_user": size,
        "from_the_lake": journeys,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
