"""Ingest killed at any moment and run again leaves the tables of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta

import pytest

from cartwheel import ingest, lake, warehouse
from cartwheel.settings import get_settings

FIRST, DAYS = date(1998, 3, 1), 12
LAST = FIRST + timedelta(DAYS - 1)
CHECKSUM = """
select count(*), md5(string_agg(t::text, '|' order by t::text))
from (
    select business_date, key, line, event_id, quantity from raw.interactions
    union all
    select business_date, key, line, reason, null from raw.rejected_rows
) as t
where business_date between %(first)s and %(last)s
"""


def checksum() -> tuple:
    with warehouse.connect() as connection:
        return connection.execute(CHECKSUM, {"first": FIRST, "last": LAST}).fetchone()


def forget() -> None:
    with warehouse.connect() as connection:
        for table in (
            "raw.interactions",
            "raw.interaction_ids",
            "raw.rejected_rows",
            "raw.duplicate_rows",
            "ops.loaded_files",
            "ops.loaded_dates",
        ):
            connection.execute(f"delete from {table} where business_date between %s and %s", (FIRST, LAST))


@pytest.fixture
def landed(stores):
    bucket = get_settings().landing_bucket
    for n in range(DAYS):
        day = FIRST + timedelta(n)
        lines = [f"e{n}-{i},purchase,u{i % 97},i{i % 31},{day}T10:00:00Z,{i % 5}" for i in range(4000)]
        body = "event_id,event_type,user_id,item_id,event_ts,quantity\n" + "\n".join(lines)
        lake.s3_client().put_object(Bucket=bucket, Key=f"interactions/{day}.csv", Body=body.encode())
    forget()
    yield
    for item in lake.list_objects(bucket, "interactions/1998"):
        lake.s3_client().delete_object(Bucket=bucket, Key=item["Key"])
    forget()


def test_killed_and_run_again(landed):
    ingest.ingest(LAST)
    undisturbed = checksum()
    assert undisturbed[0] == DAYS * 4000
    forget()
    chance, kills = random.Random(7), 0
    command = [sys.executable, "-m", "cartwheel.ingest", "--date", str(LAST)]
    while kills < 5:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.0 + chance.random())
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if process.returncode == 0:  # it got through: start over
            assert checksum() == undisturbed
            forget()
    ingest.ingest(LAST)
    assert checksum() == undisturbed


def test_two_at_once(landed):
    command = [sys.executable, "-m", "cartwheel.ingest", "--date", str(LAST)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert checksum()[0] == DAYS * 4000
