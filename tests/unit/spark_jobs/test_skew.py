"""Skew: one user with a hundred times the purchases of the others, and one item in half of all visits."""

from datetime import timedelta

import pytest
from pyspark.sql import functions as F
from spark_jobs_shop import DAY, purchase

from spark_jobs import sequences
from spark_jobs.history import candidate_catalogue, end_of, purchase_history

LIGHT, VISITS, HEAVY_VISITS, PARTITIONS = 20, 4, 400, 4
OTHERS = [f"item{n}" for n in range(30)]


def visit(user: str, number: int) -> list[dict]:
    """Milk in every second visit, and one of the other items."""
    moment = end_of(DAY) - timedelta(hours=2 * number + 1)
    items = [OTHERS[number % len(OTHERS)], *(["milk"] if number % 2 else [])]
    session = f"{user}-{number}"
    return [
        purchase(user, item, "03-01", session=session) | {"event_ts": moment, "event_id": f"{session}-{item}"} for item in items
    ]


@pytest.fixture(scope="module")
def history(frame):
    users = {"heavy": HEAVY_VISITS} | {f"light{n}": VISITS for n in range(LIGHT)}
    rows = [event for user, visits in users.items() for number in range(visits) for event in visit(user, number)]
    kept = purchase_history(frame("interactions", rows), DAY, PARTITIONS).persist()
    yield kept
    kept.unpersist()


def shuffled_records(spark) -> int:
    """Rows that the stages of the session so far wrote for others to read."""
    no_quantiles = spark.sparkContext._gateway.new_array(spark.sparkContext._jvm.double, 0)
    stages = spark.sparkContext._jsc.sc().statusStore().stageList(None, False, False, no_quantiles, None)
    return sum(stages.apply(place).shuffleWriteRecords() for place in range(stages.size()))


def test_the_heavy_user_is_one_of_many_in_a_partition_and_counted_right(history):
    rows = history.count()
    assert rows == (HEAVY_VISITS + LIGHT * VISITS) * 3 // 2
    heavy = history.where("user_key = 'heavy'")
    assert heavy.agg(F.count("*"), F.max("visit"), F.count_if("is_last")).first()[:] == (600, HEAVY_VISITS, len(OTHERS) + 1)
    assert history.groupBy(F.spark_partition_id()).count().count() > 1  # the others are spread


def test_an_item_in_half_of_the_visits_crosses_the_network_once_for_each_partition(spark, history, frame):
    items = frame("items", [{"item_id": item, "available": True} for item in ("milk", *OTHERS, "never bought")])
    history.count()
    before = shuffled_records(spark)
    found = {row.item_id for row in candidate_catalogue(items, history, 2).select("item_id").collect()}
    written = shuffled_records(spark) - before
    assert found == {"milk", *OTHERS}
    assert len(found) < written <= len(found) * (PARTITIONS + 1)  # not the 720 purchases: each partition counts first


def test_a_long_history_is_cut_to_its_last_purchases(history):
    row = sequences.transform(DAY, history=history).where("user_key = 'heavy'").first()
    assert len(row.item_ids) == sequences.LENGTH < 600
    assert row.session_ids[-1] == "heavy-0" and row.event_ts == sorted(row.event_ts)
