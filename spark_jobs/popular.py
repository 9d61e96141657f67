"""Candidates that many users like this one bought lately.

Reads interactions up to the date, and items and users of the date; writes candidates/popular: the same 100
items for every user of an income band, in the order of the share of its users that bought them in the last
28 days. A band's share is shrunk towards everyone's, as if 200 more users had bought like everyone;
users of no known band get everyone's list.

    python -m spark_jobs.popular --date 2017-11-30
    spark-submit spark_jobs/popular.py --date 2017-11-30
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.history import end_of
from spark_jobs.job import Job
from spark_jobs.lake import Lake

SIZE = 100
DAYS = 28
PRIOR_USERS = 200
EVERYONE = "everyone"


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "catalogue": lake.catalogue(day), "users": lake.read("users", day)}


def transform(day: date, history: DataFrame, catalogue: DataFrame, users: DataFrame) -> DataFrame:
    """The list of its segment for every user with a purchase; the score is the shrunk share of buyers."""
    bands = F.broadcast(users.select("user_key", "income_band"))
    segments = (
        history.select("user_key")
        .distinct()
        .join(bands, "user_key", "left")
        .select("user_key", F.coalesce("income_band", F.lit(EVERYONE)).alias("segment"))
        .persist()
    )
    recent = (F.col("event_ts") >= F.lit(end_of(day) - timedelta(days=DAYS))) & F.col("is_last")
    buyers = (
        history.where(recent)
        .select("user_key", "item_id")
        .join(F.broadcast(catalogue.select("item_id")), "item_id", "left_semi")
        .join(F.broadcast(segments), "user_key")
        .groupBy("item_id", "segment")
        .agg(F.count("*").alias("buyers"))
        .persist()  # read twice below
    )
    sizes = segments.groupBy("segment").agg(F.count("*").alias("users"))
    all_users = sizes.agg(F.sum("users").alias("all_users"))
    everyone = (
        buyers.groupBy("item_id")
        .agg(F.sum("buyers").alias("buyers"))
        .crossJoin(F.broadcast(all_users))
        .select("item_id", (F.col("buyers") / F.col("all_users")).alias("share"))
    )
    in_segment = F.col("segment") != EVERYONE
    own_buyers = F.when(in_segment, F.coalesce("buyers", F.lit(0))).otherwise(0)
    own_users = F.when(in_segment, F.col("users")).otherwise(0)
    score = (own_buyers + PRIOR_USERS * F.col("share")) / (own_users + PRIOR_USERS)
    order = Window.partitionBy("segment").orderBy(F.desc("score"), "item_id")
    lists = (
        everyone.crossJoin(F.broadcast(sizes))
        .join(buyers, ["item_id", "segment"], "left")
        .select("segment", "item_id", score.alias("score"))
        .withColumn("rank", F.row_number().over(order))
        .where(F.col("rank") <= SIZE)
    )
    return segments.join(F.broadcast(lists), "segment").select("user_key", "item_id", "rank", "score")


JOB = Job("candidates/popular", extract, transform)

if __name__ == "__main__":
    JOB.main()
