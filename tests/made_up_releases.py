"""Small made-up releases in a schema and under a prefix of their own, for the tests of publishing.

python tests/made_up_releases.py 1999-01-02 redis.load      publishes that date and kills itself at that step
"""

import itertools
import os
import re
import resource
import signal
from collections.abc import Callable
from datetime import date
from typing import Any

import psutil
import pyarrow as pa

from cartwheel import warehouse
from cartwheel.contracts import LISTS
from cartwheel.settings import get_settings
from serving_export.releases import redis_store
from serving_export.releases.catalog import Catalog
from serving_export.releases.content import SCHEMAS, Part
from serving_export.releases.packing import pack_all
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

SCHEMA, PREFIX = "serving_test", "cwtest"
Fault = Callable[[], None]
USERS = [f"user {n}" for n in range(30)]
SIZE = 5


def releases(kept: int = 3, grace_s: float = 0.0) -> Releases:
    return Releases(Catalog(SCHEMA), PostgresStore(schema=SCHEMA), RedisStore(get_settings().redis_url, PREFIX), kept, grace_s)


def make_schema() -> None:
    """The layout of `serving`, under another name and empty."""
    drop_schema()
    lay_out()


def lay_out() -> None:
    """What `migrate` does for `serving`."""
    layout = (warehouse.SQL_DIR / "30_serving.sql").read_text()
    with warehouse.connect() as connection:
        connection.execute(re.sub(r"\bserving\b(?=[.;]| to )", SCHEMA, layout))


def drop_schema() -> None:
    with warehouse.connect() as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade")
    client = RedisStore(get_settings().redis_url, PREFIX).client
    for key in client.scan_iter(f"{PREFIX}:*"):
        client.unlink(key)


def builds_in_redis() -> set[str]:
    """Those of which there is any key, whatever the store says of itself."""
    client = RedisStore(get_settings().redis_url, PREFIX).client
    builds = {key.decode().split(":")[1] for key in client.scan_iter(f"{PREFIX}:*")}
    return builds - {"builds", "current"}


def content(day: date) -> list[Part]:
    """Every reason names the day, so that a mix of two releases shows. The last user has no `buy_again`."""
    return [Part(lists=_lists(day, USERS[:20])), Part(_lists(day, USERS[20:]), _popular(day), _cold(), _titles(), _beside())]


def layer(day: date, users: list[str], said: str) -> list[Part]:
    """New lists of some users, whose reasons say `said`; the first item of each is in no other list."""
    lists = _lists(day, users).to_pylist()
    new = [row | {"item_ids": [f"new {said}", *row["item_ids"][1:]], "reasons": [said] * len(row["reasons"])} for row in lists]
    titles = [{"item_id": f"new {said}", "title": f"New: {said}"}]
    return [Part(pa.Table.from_pylist(new, SCHEMAS["lists"]), titles=pa.Table.from_pylist(titles, SCHEMAS["titles"]))]


def _lists(day: date, users: list[str]) -> pa.Table:
    sizes = {(user, name): 0 if (user, name) == (USERS[-1], "buy_again") else SIZE for user in users for name in sorted(LISTS)}
    rows = [{"user_id": user, "list": name} | _ranked(name, day, size) for (user, name), size in sizes.items()]
    return pa.Table.from_pylist(rows, SCHEMAS["lists"])


def _ranked(name: str, day: date, size: int) -> dict:
    ranks = range(1, size + 1)
    return {
        "item_ids": [f"{name} {rank}" for rank in ranks],
        "scores": [1 / rank for rank in ranks],
        "reasons": [f"of {day}"] * size,
    }


def _popular(day: date) -> pa.Table:
    rows = [{"segment": segment} | _ranked("for_you", day, SIZE) for segment in ("25-34|*", "all")]
    return pa.Table.from_pylist(rows, SCHEMAS["segments"])


def _cold() -> pa.Table:
    return pa.Table.from_pylist([{"user_id": "cold user", "segment": "25-34|*"}], SCHEMAS["members"])


def _titles() -> pa.Table:
    items = [f"{name} {rank}" for name in LISTS for rank in range(1, SIZE + 1)]
    return pa.Table.from_pylist([{"item_id": item, "title": f'The "{item}", large'} for item in items], SCHEMAS["titles"])


def _beside() -> pa.Table:
    """for_you 1 is like for_you 4, for_you 2 sells in the region north, for_you 3 is of the category of discover 1."""
    similar = pack_all(pa.array([["for_you 4"]]), pa.array([[0.5]], pa.list_(pa.float32())), pa.array([["alike"]]))
    rows = [("similar", "for_you 1", similar[0].as_py()), ("context", "discover 1", b'{"category": "c"}')]
    rows += [("context", "for_you 3", b'{"category": "c"}'), ("context", "for_you 2", b'{"lifts": {"region=north": 0.6}}')]
    return pa.Table.from_pylist([dict(zip(SCHEMAS["beside"].names, row, strict=True)) for row in rows], SCHEMAS["beside"])


def publish(target: Releases, day: date) -> None:
    with target.catalog.lock(wait_s=20):
        target.tidy()
        target.load(day, content(day), "test")
        target.verify(day, content(day))
        target.switch(day)
        target.tidy()


WHOLE, TOP = -1, 0


def refresh(target: Releases, users: list[str], said: str, over: int = WHOLE) -> None:
    """A layer with these users alone, over one of the builds that are served: by its place, the topmost is 0."""
    with target.catalog.lock(wait_s=20):
        target.tidy()
        below = target.catalog.stack(target.catalog.served())[over]
        content = layer(below.partition_date, users, said)
        target.switch_to_layer(target.verify_build(target.load_layer(below, content, 1), content))
        target.tidy()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: Any, method: str, fault: Fault, before: bool = False) -> None:
    original = getattr(owner, method)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if before:
            fault()
        result = original(*arguments, **options)
        if not before:
            fault()
        return result

    setattr(owner, method, wrapped)


def _within_redis_load(target: Releases, fault: Fault) -> None:
    """After some commands were sent, of which the last may not have been answered."""
    redis_store.CHUNK = 10
    original = target.redis.client.connection_pool.connection_class.send_packed_command
    sent = itertools.count()

    def some(connection: Any, command: Any, *arguments: Any, **options: Any) -> None:
        original(connection, command, *arguments, **options)
        if command[0].endswith(b"MSET\r\n") and next(sent) == 5:
            fault()

    target.redis.client.connection_pool.connection_class.send_packed_command = some


# Where something can be made to befall a publisher: after the step, unless the name says otherwise.
STEPS: dict[str, Callable[[Releases, Fault], None]] = {
    "before the load": lambda target, fault: _wrap(target.postgres, "load", fault, before=True),
    "within the load of PostgreSQL": lambda target, fault: _wrap(target.postgres, "_copy", fault),
    "after the load of PostgreSQL": lambda target, fault: _wrap(target.postgres, "load", fault),
    "within the load of Redis": _within_redis_load,
    "after the load of Redis": lambda target, fault: _wrap(target.redis, "load", fault),
    "within verifying": lambda target, fault: _wrap(target.redis, "mark_ready", fault),
    "after verifying": lambda target, fault: _wrap(target.catalog, "set_verified", fault),
    "between the two pointers": lambda target, fault: _wrap(target.catalog, "switch", fault),
    "after the pointers": lambda target, fault: _wrap(target.redis, "point_to", fault),
    "within removing": lambda target, fault: _wrap(target.postgres, "remove", fault),
}


def befall(target: Releases, step: str, fault: Fault = die) -> None:
    """Let a fault happen when this publisher comes to a step for the first time."""
    left = [fault]
    STEPS[step](target, lambda: left.pop()() if left else None)


def publish_and_fault(day: date, step: str, fault: Fault = die) -> None:
    """For a process of its own, which dies unless another fault is named."""
    target = releases(kept=1)
    befall(target, step, fault)
    publish(target, day)


def refresh_and_die(users: list[str], said: str, step: str, over: int = WHOLE) -> None:
    """For a process of its own."""
    target = releases(kept=1)
    befall(target, step)
    refresh(target, users, said, over)


def limit_files_of(pid: int, size: int) -> None:
    """A process may not make files larger than so many bytes. For a process of its own: it becomes that process' user."""
    other = psutil.Process(pid)
    if os.geteuid() == 0:  # else the server runs as the user of the tests
        os.setgroups([])
        os.setgid(other.gids().real)
        os.setuid(other.uids().real)
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
