"""Which candidate sources found what a release lists: for people who look into it. No part of what is served.

    python -m serving_export.releases.found_by --date 2017-11-30

Reads `release` and candidates/union of the date, and the keys of the warehouse's users; writes `serving.found_by` of the
build that is loaded for the date, whole or not at all.
"""

import argparse
from collections.abc import Iterable
from datetime import date

import polars as pl
import psycopg
import structlog

from cartwheel import warehouse
from cartwheel.contracts import CANDIDATE_SOURCES, parse_partition_key
from cartwheel.user_batches import user_batches
from serving_export.lists.user_keys import Ascending, user_keys
from serving_export.releases.release import releases

log = structlog.get_logger()

USERS_PER_BATCH = 5000
PAIR = ["user_key", "item_id"]
# Who was erased or has withdrawn is in no list any more, but still in the lake.
FORGET_OTHERS = """
    delete from serving.found_by
    where build_id = %s and not exists (
        select from serving.user_lists
        where user_lists.build_id = found_by.build_id and user_lists.user_id = found_by.user_id
    )
"""
DATASETS = {"release": "release", "union": "candidates/union"}


def load_found_by(day: date) -> None:
    """Write the sources of a date's loaded build, of the items it lists.

    Raises:
        UnknownReleaseError: no release of the date is loaded.
        PublishBusyError: another program publishes or erases, for longer than `catalog.LOCK_WAIT_S`.
        cartwheel.lake.MissingPartitionError: the lists or candidates of that date are missing.
    """
    target, users = releases(), 0
    with target.catalog.lock(), warehouse.connect() as connection:  # so that nobody who is erased meanwhile comes back
        build, keys = target.loaded(day.isoformat()).build_id, Ascending(user_keys())
        connection.execute("delete from serving.found_by where build_id = %s", (build,))
        for batch, own in user_batches(DATASETS, day, "union", USERS_PER_BATCH):
            found = found_by(own["release"], own["union"])
            _copy(connection, build, found.join(keys.up_to(batch["user_key"][-1]), on="user_key"))
            users += len(batch)
        connection.execute(FORGET_OTHERS, (build,))
    log.info("sources of the release loaded", build=build, users=users)


def replace_found_by(build: str, users: pl.DataFrame, unions: Iterable[pl.DataFrame]) -> None:
    """Write the sources of some users anew, of all of their candidates; callers hold `catalog.lock`.

    Args:
        users: user_key and user_id of these users. unions: rows of candidates/union, whole users at a time.
    """
    with warehouse.connect() as connection:
        delete = "delete from serving.found_by where build_id = %s and user_id = any(%s)"
        connection.execute(delete, (build, users["user_id"].to_list()))
        for union in unions:
            _copy(connection, build, found_by(union, union).join(users, on="user_key"))


def found_by(listed: pl.DataFrame, union: pl.DataFrame) -> pl.DataFrame:
    """Per user the items of all lists, and the sources that named each: user_key, item_ids, sources (with commas).

    Args:
        listed: user_key, item_id. union: the lake's candidates/union of the same users.
    """
    named = [pl.when(pl.col(f"{source}_rank").is_not_null()).then(pl.lit(source)) for source in CANDIDATE_SOURCES]
    sources = union.select(*PAIR, sources=pl.concat_str(named, separator=",", ignore_nulls=True))
    return (
        listed.select(PAIR)
        .unique()
        .join(sources, on=PAIR, how="left")
        .sort(PAIR)
        .group_by("user_key", maintain_order=True)
        .agg(item_ids="item_id", sources=pl.col("sources").fill_null(""))
    )


def _copy(connection: psycopg.Connection, build: str, found: pl.DataFrame) -> None:
    """Rows of `found_by`, with the users' ids."""
    with connection.cursor().copy("copy serving.found_by (build_id, user_id, item_ids, sources) from stdin") as copy:
        for row in found.select("user_id", "item_ids", "sources").iter_rows():
            copy.write_row((build, *row))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    load_found_by(parser.parse_args().date)
