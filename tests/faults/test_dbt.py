"""dbt killed without warning leaves marts that the next run completes; two runs at once go one after the other."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from own_warehouse import own_warehouse
from small_warehouse import checksums, load

from cartwheel.dbt import DBT_PROJECT, build_lock, dbt_environment

FIRST = date(1999, 3, 1)
COLUMNS = "event_id, event_type, user_id, item_id, event_ts, quantity, price"
# No --vars: the latest loaded date is built, and dbt need not parse the project anew each time.
RUN = [sys.executable, "-m", "cartwheel.dbt", "run"]


@pytest.fixture(scope="module")
def small_shop(stores, tmp_path_factory):
    with own_warehouse(stores, "cartwheel_test_dbt_faults", tmp_path_factory.mktemp("dbt")):
        yield


def load_day(number: int, seed: int) -> None:
    day, chance = FIRST + timedelta(days=number), random.Random(seed)
    load("items", day, "item_id, title", [(f"item-{n}", f"title {chance.randrange(2)}") for n in range(20)])
    load("interactions", day, COLUMNS, [
        (f"{day}-{n}", chance.choice(["view", "purchase"]), f"user-{chance.randrange(9)}", f"item-{chance.randrange(20)}",
         f"{day} {n % 24:02}:00+00", chance.randrange(1, 4), 1.5)
        for n in range(60)
    ])  # fmt: skip


def started(output: Path) -> subprocess.Popen:
    return subprocess.Popen(RUN, stdout=output.open("w"), stderr=subprocess.STDOUT)


def wait_for(text: str, output: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while text not in output.read_text():
        assert process.poll() is None and time.monotonic() < deadline, output.read_text()
        time.sleep(0.01)


def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(small_shop, tmp_path):
    for number in range(4):
        load_day(number, seed=number)
    subprocess.run(RUN, check=True, capture_output=True)
    load_day(4, seed=4)
    load_day(1, seed=99)  # late
    chance, killed = random.Random(), 0
    for attempt in range(2):
        output = tmp_path / f"attempt-{attempt}"
        process = started(output)
        wait_for("Concurrency:", output, process)
        time.sleep(chance.uniform(0.2, 1.5))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed

    # The last attempt finds another build at work, says so, and waits.
    output = tmp_path / "last"
    with build_lock("a build by hand"):
        process = started(output)
        wait_for("another dbt build is running", output, process)
        assert "a build by hand, process" in output.read_text()
        assert "Concurrency:" not in output.read_text()
    assert process.wait(timeout=60) == 0, output.read_text()
    assert "Concurrency:" in output.read_text()
    after_kills = checksums()

    subprocess.run([*RUN, "--full-refresh"], check=True, capture_output=True)
    undisturbed = checksums()
    assert {mart for mart in after_kills if after_kills[mart] != undisturbed[mart]} == set()
    assert after_kills["fct_interactions"][0] == 300


def test_dbt_refuses_to_build_without_the_lock(small_shop):
    dbt = [str(Path(sys.executable).parent / "dbt"), "run"]
    environment = os.environ | dbt_environment()
    result = subprocess.run(dbt, env=environment, cwd=DBT_PROJECT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "run it as `python -m cartwheel.dbt`" in result.stdout
