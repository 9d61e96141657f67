"""How long new lists take within the day, for 10, 100 and 1,000 users who have bought something.

    make bench-refresh                   the release that is served (after `make demo`)

Each number of users is a refresh in a process of its own: Python and the model are loaded, so many users of the release buy
five of the hundred items that sell best, their lists are made, loaded into both stores as a layer and verified. The layer is
removed instead of being switched to, which is two statements, so that nobody sees it. The tables are cut once beforehand, as
the first refresh over a release does. The last line is a JSON document: the seconds of each step, the processor's seconds of
all of it, and the straight lines through both: `fixed_seconds` and `seconds_per_user`.
"""

import argparse
import json
import logging
import multiprocessing
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import structlog

from cartwheel import lake, warehouse
from serving_export.refresh import few_users
from serving_export.refresh.layer import Layer, write_lists
from serving_export.refresh.lists import refreshed_lists
from serving_export.refresh.new_events import PURCHASES
from serving_export.releases.catalog import Build
from serving_export.releases.release import Releases, releases

BOUGHT, OF_THE_BEST = 5, 100
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


def refresh(users: int, asked_at: float) -> dict[str, float]:
    """Seconds of each step, for a process that was asked for at that time of `time.time`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    seconds, last = {"start": time.time() - asked_at}, time.time()
    target = releases()
    base = target.catalog.below(served(target))
    bought = purchases(base, users)
    last = time.time()  # making them up is not part of it

    def took(step: str) -> None:
        nonlocal last
        seconds[step], last = time.time() - last, time.time()

    with target.catalog.lock(60), tempfile.TemporaryDirectory() as folder:
        file, ids = Path(folder) / "lists.arrow", bought.select("user_key", "user_id").unique()
        refreshed = write_lists(file, refreshed_lists(base, bought), ids, base.partition_date)
        took("lists")
        content = Layer(base.partition_date, file, refreshed)
        layer = target.load_layer(base, content, 0)
        took("load")
        target.verify_build(layer, content)
        took("verify")
        for store in (target.postgres, target.redis):
            store.remove(layer.build_id)
        target.catalog.forget(layer)
    return {"users": len(refreshed), "processor": time.process_time(), **seconds}


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
        few_users.cut(target.catalog.below(served(target)))
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[10, 100, 1000])
    arguments = parser.parse_args()
    document: dict = {"cut_once_seconds": round(cut(), 1), "refreshes": []}
    for users in arguments.users:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds = pool.apply(refresh, (users, time.time()))
        document["refreshes"].append({name: round(value, 2) for name, value in seconds.items()})
        print(json.dumps(document["refreshes"][-1]), flush=True)
    for name, steps in (("", ("start", "lists", "load", "verify")), ("processor_", ("processor",))):
        counts = [each["users"] for each in document["refreshes"]]
        slope, fixed = np.polyfit(counts, [sum(each[step] for step in steps) for each in document["refreshes"]], 1)
        document |= {f"{name}fixed_seconds": round(float(fixed), 1), f"{name}seconds_per_user": round(float(slope), 4)}
    print(json.dumps(document))


if __name__ == "__main__":
    main()
