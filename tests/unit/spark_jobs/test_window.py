"""The history is that of the last days only: older partitions are as if they did not exist."""

from datetime import date
from pathlib import Path

import pytest
from spark_jobs_shop import DAY, TINY_SHOP, purchase

from spark_jobs.lake import Lake

UNREADABLE = b"no Parquet"


@pytest.fixture(scope="module")
def root(tmp_path_factory, frame) -> Path:
    """The tiny shop by date, from 10 January to 31 March; what lies a day before and after it cannot be read."""
    root = tmp_path_factory.mktemp("lake")
    for day in {event["event_ts"].date() for event in TINY_SHOP} | {DAY}:
        events = [event for event in TINY_SHOP if event["event_ts"].date() == day]
        frame("interactions", events).coalesce(1).write.parquet(f"{root}/interactions/date={day}")
    frame("no_consent", []).coalesce(1).write.parquet(f"{root}/no_consent/date={DAY}")
    for day in (date(2017, 1, 9), date(2016, 3, 31), date(2017, 4, 1)):
        (root / f"interactions/date={day}").mkdir()
        (root / f"interactions/date={day}/part-0.parquet").write_bytes(UNREADABLE)
    return root


@pytest.mark.parametrize(
    ("days", "visits", "earliest"),
    [(81, 4, "01-10"), (80, 3, "03-01"), (31, 3, "03-01"), (30, 2, "03-11"), (1, None, None)],
)
def test_history_reads_the_window_alone(spark, root, days, visits, earliest):
    history = Lake(spark, str(root), min_item_purchases=1, history_days=days).history(DAY)
    rows = sorted((row for row in history.collect() if row.user_key == "ann"), key=lambda row: row.visit)
    assert max((row.visit for row in rows), default=None) == visits
    assert min((f"{row.event_ts:%m-%d}" for row in rows), default=None) == earliest
    firsts = {row.item_id: row.previous_ts for row in reversed(rows)}  # of each item, the purchase that is the first here
    assert set(firsts.values()) <= {None}


def test_an_unreadable_partition_within_the_window_is_an_error(spark, root):
    longer = Lake(spark, str(root), min_item_purchases=1, history_days=82)
    with pytest.raises(Exception, match=r"date=2017-01-09/part-0.parquet"):
        longer.history(DAY).collect()


def test_an_event_older_than_its_partition_does_not_count(spark, frame, tmp_path):
    events = [purchase("ann", "milk", "03-31"), purchase("ann", "tea", "03-30 23:59")]
    frame("interactions", events).coalesce(1).write.parquet(f"{tmp_path}/interactions/date={DAY}")
    frame("no_consent", []).coalesce(1).write.parquet(f"{tmp_path}/no_consent/date={DAY}")
    lakes = {days: Lake(spark, str(tmp_path), min_item_purchases=1, history_days=days) for days in (1, 2)}
    assert {days: sorted(row.item_id for row in lake.history(DAY).collect()) for days, lake in lakes.items()} == {
        1: ["milk"],
        2: ["milk", "tea"],
    }
