"""Small made-up releases in a schema and under a prefix of their own, for the tests of publishing.

python tests/made_up_releases.py 1999-01-02 redis.load      publishes that date and kills itself at that step
"""

import os
import re
import signal
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl

from cartwheel import warehouse
from cartwheel.contracts import LISTS
from cartwheel.settings import get_settings
from serving_export import redis_store
from serving_export.catalog import Catalog
from serving_export.content import Content
from serving_export.postgres_store import PostgresStore
from serving_export.redis_store import RedisStore
from serving_export.release import Releases

SCHEMA, PREFIX = "serving_test", "cwtest"
USERS = [f"user {n}" for n in range(30)]
SIZE = 5


def releases(kept: int = 3, grace_s: float = 0.0) -> Releases:
    return Releases(Catalog(SCHEMA), PostgresStore(schema=SCHEMA), RedisStore(get_settings().redis_url, PREFIX), kept, grace_s)


def make_schema() -> None:
    """The layout of `serving`, under another name and empty."""
    drop_schema()
    layout = (warehouse.SQL_DIR / "30_serving.sql").read_text()
    with warehouse.connect() as connection:
        connection.execute(re.sub(r"\bserving\b(?=[.;]| to )", SCHEMA, layout))


def drop_schema() -> None:
    with warehouse.connect() as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade")
    store = RedisStore(get_settings().redis_url, PREFIX)
    for build in store.builds():
        store.remove(build)
    store.clear_pointer()


def content(day: date) -> Content:
    """Every reason names the day, so that a mix of two releases shows. The last user has no `buy_again`."""
    rows = [
        {"user_id": user, "list": name, "rank": rank, "item_id": f"{name} {rank}", "score": 1 / rank, "reason": f"of {day}"}
        for user in USERS
        for name in LISTS
        for rank in range(1, SIZE + 1)
        if (user, name) != (USERS[-1], "buy_again")
    ]
    lists = pl.DataFrame(rows, schema_overrides={"rank": pl.Int32, "score": pl.Float32}).sort("user_id", "list", "rank")
    popular = lists.filter(user_id=USERS[0], list="for_you").drop("user_id", "list")
    segments = pl.concat([popular.select(pl.lit(name).alias("segment"), pl.all()) for name in ("25-34|*", "all")])
    titles = lists.select(pl.col("item_id").unique().sort()).with_columns(title='The "' + pl.col("item_id") + '", large')
    return Content(lists, segments, pl.DataFrame({"user_id": ["cold user"], "segment": ["25-34|*"]}), titles)


def publish(target: Releases, day: date) -> None:
    with target.catalog.lock(wait_s=20):
        target.tidy()
        target.load(day, content(day), "test")
        target.verify(day, content(day))
        target.switch(day)
        target.tidy()


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: Any, method: str, before: bool = False) -> None:
    original = getattr(owner, method)

    def wrapped(*arguments: Any, **options: Any) -> None:
        if not before:
            original(*arguments, **options)
        _die()

    setattr(owner, method, wrapped)


def _die_within_redis_load(target: Releases) -> None:
    original, redis_store.CHUNK = redis_store.entries, 10

    def some(what: Content) -> Any:
        for number, pair in enumerate(original(what)):
            if number == 55:
                _die()
            yield pair

    redis_store.entries = some


# Where a publisher can be made to die: after the step, unless the name says otherwise.
STEPS: dict[str, Callable[[Releases], None]] = {
    "before the load": lambda target: _wrap(target.postgres, "load", before=True),
    "within the load of PostgreSQL": lambda target: _wrap(target.postgres, "_copy"),
    "after the load of PostgreSQL": lambda target: _wrap(target.postgres, "load"),
    "within the load of Redis": _die_within_redis_load,
    "after the load of Redis": lambda target: _wrap(target.redis, "load"),
    "within verifying": lambda target: _wrap(target.redis, "mark_ready"),
    "after verifying": lambda target: _wrap(target.catalog, "set_verified"),
    "between the two pointers": lambda target: _wrap(target.catalog, "switch"),
    "after the pointers": lambda target: _wrap(target.redis, "point_to"),
    "within removing": lambda target: _wrap(target.postgres, "remove"),
}


def publish_and_die(day: date, step: str) -> None:
    """For a process of its own."""
    target = releases(kept=1)
    STEPS[step](target)
    publish(target, day)
