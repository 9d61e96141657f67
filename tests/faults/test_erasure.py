"""An erasure that is killed at any step and run again leaves nothing of the person, exact books and one full record."""

import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

import people
import pytest
from own_warehouse import own_warehouse
from people import key_of, places_with

from cartwheel import warehouse
from cartwheel.privacy import erase
from serving_export.releases import publish
from serving_export.releases.content import checksum, read_content

STEPS = people.STEPS
USERS = people.make_ids(seed=5, size=len(STEPS) + 4)


@pytest.fixture(scope="module")
def processes() -> BaseContext:
    """Makes processes fast; started before the settings change, as other tests share it."""
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["people", "made_up_releases"])
    forkserver.ensure_running()
    return context


@pytest.fixture(scope="module", autouse=True)
def shop(stores, processes, tmp_path_factory):
    with own_warehouse(stores, "cartwheel_test_killed_erasure", tmp_path_factory.mktemp("logs")):
        people.fill(USERS)
        yield


def erase_and_die(processes: BaseContext, user: str, step: str) -> None:
    process = processes.Process(target=people.erase_and_die, args=(dict(os.environ), user, step))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_killed_and_run_again(processes, step):
    user = USERS[list(STEPS).index(step)]
    undisturbed = erase.preview(user)
    erase_and_die(processes, user, step)
    with warehouse.connect() as connection:
        assert connection.execute("select count(*) from ops.erased_users where user_key = %s", (key_of(user),)).fetchone() == (1,)
    report = erase.erase(user, "the test")
    assert report.is_gone
    assert places_with(key_of(user)) == places_with(user) == []
    assert (report.found, report.landed_files) == (undisturbed.found, undisturbed.landed_files)
    with warehouse.connect() as connection:
        records = connection.execute(
            "select rows, finished_at is not null from ops.erasures where user_key = %s", (key_of(user),)
        ).fetchall()
        assert records == [(undisturbed.found, True)]
        wrong = connection.execute(
            "select business_date from ops.loaded_dates left join"
            " (select business_date, count(*) as rows from raw.interactions group by 1) as held using (business_date)"
            " where dataset = 'interactions' and loaded_dates.rows <> held.rows"
        ).fetchall()
        digests = dict(connection.execute("select build_id, checksum from serving.builds").fetchall())
    assert wrong == []
    target = publish.releases()
    for build in target.catalog.builds():
        content = read_content(build.partition_date)
        in_the_lake = checksum(content)
        assert target.postgres.checksum(build.build_id, content) == target.redis.checksum(build.build_id, content) == in_the_lake
        assert digests[build.build_id] == in_the_lake.digest
