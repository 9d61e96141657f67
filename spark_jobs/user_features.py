"""What each user's purchases say about the user.

Reads interactions up to the date; writes features/user: one row per user with a purchase.

    python -m spark_jobs.user_features --date 2017-11-30
    spark-submit spark_jobs/user_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import count_since, days_between, days_until
from spark_jobs.job import Job
from spark_jobs.lake import Lake


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day)}


def transform(day: date, history: DataFrame) -> DataFrame:
    """One row per user. Novelty is the share of purchases that were the user's first of their item."""
    is_first = F.col("previous_ts").isNull()
    per_visit = history.groupBy("user_key", "visit").agg(
        F.min("event_ts").alias("event_ts"),
        F.count("*").alias("purchases"),
        F.sum("value").alias("value"),
        F.count_if(is_first).alias("first_purchases"),
        count_since(day, 28).alias("purchases_28"),
        count_since(day, 90).alias("purchases_90"),
        count_since(day, 90, is_first).alias("first_purchases_90"),
    )
    per_user = per_visit.groupBy("user_key").agg(
        F.sum("purchases").alias("purchases"),
        F.count("*").alias("visits"),
        F.sum("first_purchases").alias("items"),
        F.min("event_ts").alias("first_ts"),
        F.max("event_ts").alias("last_ts"),
        F.sum("value").alias("value"),
        count_since(day, 28).alias("visits_28"),
        count_since(day, 90).alias("visits_90"),
        F.sum("purchases_28").alias("purchases_28"),
        F.sum("purchases_90").alias("purchases_90"),
        F.sum("first_purchases_90").alias("first_purchases_90"),
    )
    return per_user.select(
        "user_key",
        "purchases",
        "visits",
        "items",
        days_until(day, "last_ts").alias("recency_days"),
        F.try_divide(days_between(F.col("first_ts"), F.col("last_ts")), F.col("visits") - 1).alias("gap_days"),
        (F.col("purchases") / F.col("visits")).alias("basket_items"),
        (F.col("value").cast("double") / F.col("visits")).alias("spend_per_visit"),
        "visits_28",
        "visits_90",
        "purchases_28",
        "purchases_90",
        F.try_divide("first_purchases_90", "purchases_90").alias("novelty_rate_90"),
    )


JOB = Job("features/user", extract, transform)

if __name__ == "__main__":
    JOB.main()
