"""Refresh, within the day, the lists of the users who have bought something since the last refresh.

    python -m serving_export.refresh.refresh

Reads the purchases after the served release's date that ingest has put into `raw`, the champion's tables of that date, and of
what is served the layers that it takes in. Writes a layer over the rest to schema `serving` of PostgreSQL and the keys `cw:*` of
Redis, as a release is published: loaded, verified, switched to. In the lake it writes the folder `refresh/` alone (`few_users`),
which nothing else reads. The lock is held throughout, so that nobody who is erased meanwhile comes back.
"""

import tempfile
from datetime import date, timedelta
from pathlib import Path

import structlog

from serving_export.lists.versions import Ranker
from serving_export.refresh.layer import Layer, copy_others, few_enough, new_file, write_new
from serving_export.refresh.lists import candidates_of, refreshed_lists
from serving_export.refresh.new_events import new_purchases
from serving_export.releases.found_by import replace_found_by
from serving_export.releases.release import Releases, releases
from serving_export.releases.withdraw import withdraw

log = structlog.get_logger()

LOCK_WAIT_S = 60.0


def today() -> date | None:
    """The date after the one that is served, whose events a refresh takes; None before the first release."""
    served = releases().catalog.served()
    return served.partition_date + timedelta(days=1) if served else None


def refresh(target: Releases | None = None, ranker: Ranker | None = None) -> int:
    """Serve new lists to the users with new purchases; how many users. `ranker` is the release's own unless given.

    Raises:
        PublishBusyError: a release is being published.
        cartwheel.lake.MissingPartitionError: the served date's features or candidates are not in the lake any more.
        VerificationError: a store does not hold what was loaded; what was served before still is.
    """
    target = target or releases()
    with target.catalog.lock(LOCK_WAIT_S):
        target.tidy()
        served = target.catalog.served()
        if served is None or target.catalog.was_rolled_back():
            log.info("nothing to refresh: there is no release yet, or a rollback chose what is served")
            return 0
        *layers, base = target.catalog.stack(served)
        found = new_purchases(base.partition_date, served.last_file_id or 0)
        withdraw(target, found.withdrawn, layers)  # what was made of today's purchases of who does not consent any more
        with tempfile.TemporaryDirectory(prefix="cartwheel-refresh-") as folder:
            file = Path(folder) / "lists.arrow"
            rows = refreshed_lists(base, found.purchases, ranker) if len(found.purchases) else ()
            with new_file(file) as writer:
                users = write_new(writer, rows, found.users(), base.partition_date)
                if not len(users):
                    log.info("nothing to refresh: nobody has bought anything since", seen_file_id=served.last_file_id)
                    return 0
                taken_in = few_enough(layers, len(users))
                copy_others(writer, users, (target.postgres.read(layer.build_id) for layer in taken_in))
            content = Layer(base.partition_date, file)
            below = [*layers, base][len(taken_in)]
            layer = target.verify_build(target.load_layer(below, content, found.last_file_id), content)
            replace_found_by(base.build_id, found.users(), candidates_of(found.users()))
            refreshed = target.switch_to_layer(layer)
        target.tidy()
    log.info("refreshed", users=len(users), layer=layer.build_id, served=refreshed)
    return len(users) if refreshed else 0


if __name__ == "__main__":
    refresh()
