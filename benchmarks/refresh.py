"""How long new lists take within the day, by the number of users who have bought something and of those refreshed before.

    make bench-refresh                   the release that is served (after `make demo`)

Each refresh is in a process of its own: Python and the model are loaded, so many users of the release buy five of the hundred
items that sell best, their lists are made, loaded into both stores as a layer, and verified. The layer is removed instead of
being switched to, which is two statements, so that nobody sees it; that takes as long as removing the layer before would. The
tables are cut once beforehand, as the first refresh over a release does.

First 10, 100 and 1,000 users are refreshed over the release alone. Then 10 and 1,000 are, over the largest layer of earlier
users that they take in, and 10 over one of 100,000, which they leave alone. It holds the lists of the release's users, again and
again, under made-up ids, and is in PostgreSQL, from where a refresh reads it.

The last line is a JSON document: the seconds of each step, the processor's seconds of all of it, and the straight lines
through both for those over the release alone: `fixed_seconds` and `seconds_per_user`.
"""

import argparse
import json
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from cartwheel import lake, warehouse
from cartwheel.contracts import LISTS
from serving_export.refresh import few_users
from serving_export.refresh.layer import COPIED_ANYHOW, COPIED_PER_USER, Layer, copy_others, few_enough, new_file, write_new
from serving_export.refresh.lists import refreshed_lists
from serving_export.refresh.new_events import PURCHASES
from serving_export.releases.catalog import Build
from serving_export.releases.content import Content, Part
from serving_export.releases.release import Releases, releases

BOUGHT, OF_THE_BEST = 5, 100
LONG_AGO = date(1900, 1, 1)
STEPS = ("start", "lists", "load", "verify", "remove")
LARGEST = {users: COPIED_ANYHOW + COPIED_PER_USER * users for users in (10, 1000)}
RUNS = [(10, 0), (100, 0), (1000, 0), *LARGEST.items(), (10, 100_000)]  # users refreshed, and those before them
USER_IDS = "select user_key, user_id from intermediate.int_user_keys where user_key = any(%s)"


def purchases(build: Build, users: int) -> pl.DataFrame:
    """Made up: the first users of the release by key, and what they buy at nine the next morning."""
    wanted = pl.DataFrame(lake.read("candidates/union", build.partition_date, ["user_key"]))["user_key"].unique().sort()[:users]
    items = pl.DataFrame(lake.read("features/item", build.partition_date, ["item_id", "purchases"]))
    best = items.sort("purchases", "item_id", descending=[True, False])["item_id"][:OF_THE_BEST]
    chance = np.random.default_rng(7)
    bought = [(user, item) for user in wanted for item in best.gather(chance.choice(len(best), BOUGHT, replace=False))]
    with warehouse.connect() as connection:
        ids: dict[str, str] = dict(connection.execute(USER_IDS, (wanted.to_list(),)).fetchall())
    at = pl.lit(build.partition_date + timedelta(days=1)).cast(pl.Datetime("us", "UTC")) + pl.duration(hours=9)
    made_up = pl.DataFrame(bought, schema=["user_key", "item_id"], orient="row")
    user_id = pl.col("user_key").replace_strict(ids, return_dtype=pl.String)
    return made_up.with_columns(user_id=user_id, event_ts=at, session_id=pl.lit("1")).select(*PURCHASES)


@dataclass(frozen=True)
class Others:
    """Content with so many users, who have the lists of a release's users under made-up ids."""

    release: Content
    users: int

    def __iter__(self) -> Iterator[Part]:
        left = self.users
        for number in count():
            for part in self.release:
                lists = part.lists[: left * len(LISTS)]
                if not len(lists):
                    continue
                ids = pc.binary_join_element_wise(pa.scalar(f"other {number}"), lists["user_id"], " ")
                yield Part(lists.set_column(0, "user_id", ids))
                left -= len(lists) // len(LISTS)
            if not left:
                return


@contextmanager
def layers_before(users: int) -> Iterator[list[Build]]:
    """What stands for the layer of earlier refreshes, of so many users; none without users."""
    target = releases()
    if not users:
        yield []
        return
    base = target.catalog.stack(served(target))[-1]
    build = target.catalog.create(LONG_AGO.isoformat(), LONG_AGO, "made up")
    try:
        target.postgres.load(build.build_id, Others(target.postgres.read(base.build_id), users))
        yield [replace(build, users=users)]
    finally:
        target.postgres.remove(build.build_id)
        target.catalog.forget(build)


def refresh(users: int, before: list[Build], asked_at: float) -> dict[str, float]:
    """Seconds of each step, for a process that was asked for at that time of `time.time`.

    Args:
        before: the layers of earlier refreshes.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    seconds, last = {"start": time.time() - asked_at}, time.time()
    target = releases()
    base = target.catalog.stack(served(target))[-1]
    bought = purchases(base, users)
    last = time.time()  # making them up is not part of it

    def took(step: str) -> None:
        nonlocal last
        seconds[step], last = time.time() - last, time.time()

    with target.catalog.lock(60), tempfile.TemporaryDirectory() as folder:
        file, ids = Path(folder) / "lists.arrow", bought.select("user_key", "user_id").unique()
        with new_file(file) as writer:
            refreshed = write_new(writer, refreshed_lists(base, bought), ids, base.partition_date)
            taken_in = few_enough(before, len(refreshed))
            copy_others(writer, refreshed, (target.postgres.read(each.build_id) for each in taken_in))
        took("lists")
        content = Layer(base.partition_date, file)
        layer = target.load_layer(base, content, 0)
        took("load")
        target.verify_build(layer, content)
        took("verify")
        target.redis.remove(layer.build_id, content)
        target.postgres.remove(layer.build_id)
        target.catalog.forget(layer)
        took("remove")
    copied = sum(each.users or 0 for each in taken_in)
    return {"users": len(refreshed), "copied": copied, "processor": time.process_time(), **seconds}


def served(target: Releases) -> Build:
    found = target.catalog.served()
    if found is None:
        raise SystemExit("benchmarks.refresh: no release is served; run `make demo` first")
    return found


def cut() -> float:
    """Seconds of cutting the tables anew."""
    target = releases()
    with target.catalog.lock(60):
        few_users.remove()
        started = time.monotonic()
        few_users.cut(target.catalog.stack(served(target))[-1])
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    document: dict = {"cut_once_seconds": round(cut(), 1), "refreshes": []}
    for users, earlier in RUNS:
        with layers_before(earlier) as before, multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds = pool.apply(refresh, (users, before, time.time()))
        document["refreshes"].append({"earlier": earlier} | {name: round(value, 2) for name, value in seconds.items()})
        print(json.dumps(document["refreshes"][-1]), flush=True)
    alone = [each for each in document["refreshes"] if not each["earlier"]]
    for name, steps in (("", STEPS), ("processor_", ("processor",))):
        slope, fixed = line(alone, steps)
        document |= {f"{name}fixed_seconds": round(fixed, 1), f"{name}seconds_per_user": round(slope, 4)}
    print(json.dumps(document))


def line(refreshes: list[dict[str, float]], steps: Sequence[str]) -> tuple[float, float]:
    """Slope and intercept of the straight line through the seconds of these steps, by the number of users."""
    slope, fixed = np.polyfit([each["users"] for each in refreshes], [sum(each[step] for step in steps) for each in refreshes], 1)
    return float(slope), float(fixed)


if __name__ == "__main__":
    main()
