"""Ingest killed at any moment and run again leaves the tables of an undisturbed run, and so do two at once."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import pytest
from landing_zone import clear, contents, forget, land, own_landing_zone, query

from cartwheel import ingest

FIRST, DAYS, ROWS = date(1998, 3, 1), 10, 1200
LAST = FIRST + timedelta(DAYS - 1)
COMMAND = [sys.executable, "-m", "cartwheel.ingest", "--date", str(LAST)]


@pytest.fixture(scope="module")
def zone(stores):
    with own_landing_zone(stores):
        yield


@pytest.fixture
def landed(zone):
    """Two files a day with rejected rows, and events that stand in other files and on other days too."""
    clear()
    for n in range(DAYS):
        day = FIRST + timedelta(n)
        rows = [f"e{n}-{i},purchase,u{i % 97},i{i % 31},{day}T10:00:00Z,{i % 5}" for i in range(ROWS)]
        land(f"interactions/{day}-b.csv", *rows)
        again = [f"e{n + i % 3 - 1}-{i},purchase,u{i},i{i % 31},{day}T10:00:00Z,1" for i in range(1, ROWS // 4, 2)]
        land(f"interactions/{day}-a.csv", *again)
    yield
    clear()


def test_killed_and_run_again(landed):
    started = time.monotonic()
    ingest.ingest(LAST)
    seconds = time.monotonic() - started
    undisturbed = contents()
    assert len(undisturbed["raw.duplicate_rows"]) > DAYS * 50 and undisturbed["raw.rejected_rows"]
    forget()
    chance, kills = random.Random(7), 0
    while kills < 4:
        process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while process.poll() is None and kills < 4 and not query("select from pg_locks where locktype = 'advisory'"):
            time.sleep(0.02)  # until it is at work
        time.sleep(chance.random() * seconds / 2)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:  # it got through: start over
            assert contents() == undisturbed
            forget()
    ingest.ingest(LAST)
    assert contents() == undisturbed


def test_two_at_once(landed):
    both = [subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    logs = []
    for process in both:
        log, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        logs.append(log)
    assert sorted("files=20/20" in log for log in logs) == [False, True]  # one loads, the other finds it done
    loaded = contents()
    forget()
    ingest.ingest(LAST)
    assert contents() == loaded
