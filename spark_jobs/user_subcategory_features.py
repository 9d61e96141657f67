"""What each user's purchases in each subcategory say: interest in a kind of item, whichever item it is.

Reads interactions up to the date and items of the date; writes features/user_subcategory: one row per user
and subcategory the user has bought from, over all items and not only the candidate catalogue.

    python -m spark_jobs.user_subcategory_features --date 2017-11-30
    spark-submit spark_jobs/user_subcategory_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import count_since, days_between, days_until
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.user_item_features import VISITS_TIME_CONSTANT


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "items": lake.read("items", day)}


def transform(day: date, history: DataFrame, items: DataFrame) -> DataFrame:
    """One row per user and subcategory; gaps are between the visits that hold the subcategory."""
    subcategories = items.where(F.col("subcategory").isNotNull()).select("item_id", "subcategory")
    per_visit = (
        history.join(F.broadcast(subcategories), "item_id")
        .groupBy("user_key", "subcategory", "visit", "visits_since")
        .agg(
            F.min("event_ts").alias("event_ts"),
            F.count("*").alias("purchases"),
            F.count_if(F.col("previous_ts").isNull()).alias("items"),
            count_since(day, 28).alias("purchases_28"),
            count_since(day, 90).alias("purchases_90"),
        )
    )
    decayed = F.col("purchases") * F.exp(-F.col("visits_since") / VISITS_TIME_CONSTANT)
    per_subcategory = per_visit.groupBy("user_key", "subcategory").agg(
        F.sum("purchases").alias("purchases"),
        F.sum("items").alias("items"),
        F.count("*").alias("visits"),
        F.min("event_ts").alias("first_ts"),
        F.max("event_ts").alias("last_ts"),
        F.sum("purchases_28").alias("purchases_28"),
        F.sum("purchases_90").alias("purchases_90"),
        F.sum(decayed).alias("decayed_visits"),
    )
    recency = days_until(day, "last_ts")
    gap = F.try_divide(days_between(F.col("first_ts"), F.col("last_ts")), F.col("visits") - 1)
    return per_subcategory.select(
        "user_key",
        "subcategory",
        "purchases",
        "items",
        recency.alias("recency_days"),
        gap.alias("gap_days"),
        F.try_divide(recency, gap).alias("dueness"),
        "purchases_28",
        "purchases_90",
        "decayed_visits",
    )


JOB = Job("features/user_subcategory", extract, transform)

if __name__ == "__main__":
    JOB.main()
