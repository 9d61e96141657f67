"""What each user's purchases of each item say: how often, how regularly, how long ago.

Reads interactions up to the date and items of the date; writes features/user_item: one row per user and item
of the candidate catalogue that the user has bought.

    python -m spark_jobs.user_item_features --date 2017-11-30
    spark-submit spark_jobs/user_item_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import count_since, days_between, days_until
from spark_jobs.job import Job
from spark_jobs.lake import Lake

VISITS_TIME_CONSTANT = 25
DAYS_TIME_CONSTANT = 90


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "catalogue": lake.catalogue(day)}


def transform(day: date, history: DataFrame, catalogue: DataFrame) -> DataFrame:
    """One row per user and item bought; `dueness` is the time since the last purchase over the usual gap."""
    gap = days_between(F.col("previous_ts"), F.col("event_ts"))
    pairs = history.groupBy("user_key", "item_id").agg(
        F.count("*").alias("purchases"),
        F.sum("quantity").alias("quantity"),
        F.max("event_ts").alias("last_ts"),
        F.min("visits_since").alias("visits_since"),
        F.avg(gap).alias("gap_days"),
        F.stddev_samp(gap).alias("gap_std_days"),
        count_since(day, 28).alias("purchases_28"),
        count_since(day, 90).alias("purchases_90"),
        count_since(day, 182).alias("purchases_182"),
        F.sum(F.exp(-F.col("visits_since") / VISITS_TIME_CONSTANT)).alias("decayed_visits"),
        F.sum(F.exp(-days_until(day, "event_ts") / DAYS_TIME_CONSTANT)).alias("decayed_days"),
    )
    recency = days_until(day, "last_ts")
    return pairs.join(F.broadcast(catalogue.select("item_id")), "item_id", "left_semi").select(
        "user_key",
        "item_id",
        "purchases",
        "quantity",
        recency.alias("recency_days"),
        "visits_since",
        "gap_days",
        "gap_std_days",
        F.try_divide(recency, F.col("gap_days")).alias("dueness"),
        "purchases_28",
        "purchases_90",
        "purchases_182",
        "decayed_visits",
        "decayed_days",
    )


JOB = Job("features/user_item", extract, transform)

if __name__ == "__main__":
    JOB.main()
