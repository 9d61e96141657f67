"""Publish the release of a date: load both stores, verify them, switch.

    python -m serving_export.releases.publish --date 2017-11-30

Reads `release`, `release_segments`, `scores` (the model's version), `users`, `no_consent` and `items` of the lake;
writes schema `serving` of PostgreSQL and the keys `cw:*` of Redis. The functions are also the tasks of the DAG.
"""

import argparse
from datetime import date

from cartwheel import lake, warehouse
from cartwheel.contracts import parse_partition_key
from serving_export.lists.versions import champion_of
from serving_export.releases.content import read_content
from serving_export.releases.release import Releases, releases
from serving_export.releases.withdraw import withdraw

USERS_OF_KEYS = "select user_id from intermediate.int_user_keys where user_key = any(%s)"


def load(day: date) -> None:
    """Clean up after earlier runs, then load the date's release into both stores as a new build."""
    content, target = read_content(day), releases()
    with target.catalog.lock():
        target.tidy()
        target.load(day, content, champion_of(day))


def verify(day: date) -> None:
    """Compare both stores with the lake."""
    content, target = read_content(day), releases()
    with target.catalog.lock():
        target.verify(day, content)


def switch(day: date) -> None:
    """`withdraw_without_consent`, then serve the verified release."""
    target = releases()
    with target.catalog.lock():
        withdraw_without_consent(target)
        target.switch(day)


def prune() -> None:
    """Remove the releases beyond those kept, and whatever crashed runs left behind; then `withdraw_without_consent`."""
    target = releases()
    with target.catalog.lock():
        target.tidy()
        target.sweep()
        withdraw_without_consent(target)


def withdraw_without_consent(target: Releases) -> None:
    """Take the users who do not consent on the latest date of the lake out of all releases that are loaded.

    So neither a rollback nor an earlier date that is published again brings them back; callers hold `catalog.lock`.
    """
    for day in lake.complete_dates("no_consent")[-1:]:
        without = lake.read("no_consent", day)["user_key"].to_pylist()
        with warehouse.connect() as connection:
            users = [user for (user,) in connection.execute(USERS_OF_KEYS, (without,))]
        withdraw(target, users)


def look(release_id: str) -> tuple[str | None, str]:
    """The build that is served, and the one that a rollback to a release would serve."""
    target = releases()
    served = target.catalog.served()
    return served.build_id if served else None, target.loaded(release_id).build_id


def rollback(release_id: str, requested_by: str, reason: str) -> None:
    """Serve another loaded release; who asked for it and why is kept in `serving.release_events`."""
    releases().rollback(release_id, requested_by, reason)


def publish(day: date) -> None:
    """All steps in one go, with the lock held throughout."""
    content, target = read_content(day), releases()
    with target.catalog.lock():
        target.tidy()
        target.load(day, content, champion_of(day))
        target.verify(day, content)
        withdraw_without_consent(target)
        target.switch(day)
        target.tidy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    publish(parser.parse_args().date)
