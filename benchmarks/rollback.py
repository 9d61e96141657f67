"""How long a rollback takes: from the call until both stores answer with the other release.

    make bench-publish
    .venv/bin/python -m benchmarks.rollback --users 100000 --turns 50

Two made-up releases of `benchmarks.publish` are loaded and verified in a schema and under a prefix of their own, and the
stores go from one to the other and back. After each call, readers ask both stores for a user's list until it is of that
release. What was made is removed. The last line is a JSON document: the median, and the longest.
"""

import argparse
import json
import logging
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import structlog

from benchmarks.publish import MadeUp
from cartwheel import warehouse
from cartwheel.settings import get_settings
from serving_export.releases.catalog import Catalog
from serving_export.releases.content import SCHEMAS, Part
from serving_export.releases.lookup import recommend
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

SCHEMA, PREFIX = "serving_bench", "cwbench-rollback"
DAYS = (date(1900, 1, 1), date(1900, 1, 2))


@contextmanager
def own_stores() -> Iterator[Releases]:
    """Empty stores, gone afterwards."""
    layout = (warehouse.SQL_DIR / "30_serving.sql").read_text()
    stores = Releases(Catalog(SCHEMA), PostgresStore(schema=SCHEMA), RedisStore(get_settings().redis_url, PREFIX), len(DAYS))
    remove(stores)
    try:
        with warehouse.connect() as connection:
            connection.execute(re.sub(r"\bserving\b(?=[.;]| to )", SCHEMA, layout).encode())
        yield stores
    finally:
        remove(stores)


def remove(stores: Releases) -> None:
    with warehouse.connect() as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade")
    for build in stores.redis.builds():
        stores.redis.remove(build)
    stores.redis.clear_pointer()


@dataclass(frozen=True)
class Whole:
    """The lists of `MadeUp`, and the popular list without which Redis counts a build as lost."""

    users: int

    def __iter__(self) -> Iterator[Part]:
        yield from MadeUp(self.users)
        popular = {"segment": "all", "item_ids": ["1000000"], "scores": [1.0], "reasons": ["Popular"]}
        yield Part(SCHEMAS["lists"].empty_table(), pa.Table.from_pylist([popular], SCHEMAS["segments"]))


def publish(stores: Releases, day: date, users: int) -> None:
    stores.load(day, Whole(users), "made up")
    stores.verify(day, Whole(users))
    stores.switch(day)


def seconds_of(stores: Releases, release: str) -> float:
    """Of one rollback."""
    started = time.perf_counter()
    stores.rollback(release, "benchmarks.rollback", "a turn")
    for store in (stores.postgres, stores.redis):
        while True:
            answer = recommend(store, "0", "for_you", 10)
            if answer is not None and answer.release == release:
                break
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=50)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with own_stores() as stores:
        for day in DAYS:
            publish(stores, day, arguments.users)
            print(f"loaded {day}: {arguments.users:,} users", flush=True)
        seconds = [seconds_of(stores, str(DAYS[turn % 2])) for turn in range(arguments.turns)]
    document = {"users": arguments.users, "turns": arguments.turns, "rollback_seconds": round(statistics.median(seconds), 4),
                "longest": round(max(seconds), 4)}  # fmt: skip
    print(json.dumps(document))


if __name__ == "__main__":
    main()
