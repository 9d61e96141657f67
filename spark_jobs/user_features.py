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
        count_since(day, 91).alias("purchases_91"),
        count_since(day, 91, is_first).alias("first_purchases_91"),
    )
    per_user = per_visit.groupBy("user_key").agg(
        F.sum("purchases").alias("purchases"),
        F.count("*").alias("visits"),
        F.sum("first_purchases").alias("items"),
        F.min("event_ts").alias("first_ts"),
        F.max("event_ts").alias("last_ts"),
        F.sum("value").alias("value"),
        count_since(day, 28).alias("visits_28"),
        count_since(day, 91).alias("visits_91"),
        F.sum("purchases_28").alias("purchases_28"),
        F.sum("purchases_91").alias("purchases_91"),
        F.sum("first_purchases_91").alias("first_purchases_91"),
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
        "visits_91",
        "purchases_28",
        "purchases_91",
        F.try_divide("first_purchases_91", "purchases_91").alias("novelty_rate_91"),
    )


JOB = Job("features/user", extract, transform)

if __name__ == "__main__":
    JOB.main()
