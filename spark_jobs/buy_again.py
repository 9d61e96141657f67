"""Candidates a user has bought before: what the user buys often, and has bought lately.

Reads features/user_item of the date; writes candidates/buy_again: the items with the largest purchase counts
decayed per visit, at most 150 a user.

    python -m spark_jobs.buy_again --date 2017-11-30
    spark-submit spark_jobs/buy_again.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake

SIZE = 150


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best items of each user, from rank 1; equal scores in the order of recency, then of the item id."""
    order = Window.partitionBy("user_key").orderBy(F.desc("decayed_visits"), "recency_days", "item_id")
    return (
        user_items.withColumn("rank", F.row_number().over(order))
        .where(F.col("rank") <= SIZE)
        .select("user_key", "item_id", "rank", F.col("decayed_visits").alias("score"))
    )


JOB = Job("candidates/buy_again", extract, transform)

if __name__ == "__main__":
    JOB.main()
