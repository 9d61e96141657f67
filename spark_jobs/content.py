"""Candidates like what the user buys, by what they are: their words, their place in the hierarchy, their brand.

Reads features/user_item and the catalogue of the date; writes candidates/content: the 200 items new to the user with the
highest scores. See `spark_jobs.terms` for the score; an item's appeal is its number of buyers, each counting less the
longer ago the last purchase was, to a third within 20 days.

    python -m spark_jobs.content --date 2017-11-30
    spark-submit spark_jobs/content.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.terms import by_affinity, item_terms

SIZE = 200
TIME_CONSTANT_DAYS = 20


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day), "catalogue": lake.catalogue(day)}


def transform(day: date, user_items: DataFrame, catalogue: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1."""
    lately = F.exp(-F.col("recency_days") / TIME_CONSTANT_DAYS).cast("decimal(18,9)")  # exact sums, in whatever order
    appeal = user_items.groupBy("item_id").agg(F.sum(lately).cast("double").alias("appeal"))
    bought = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    return by_affinity(user_items.sparkSession, bought, item_terms(catalogue.join(appeal, "item_id")), SIZE)


JOB = Job("candidates/content", extract, transform)

if __name__ == "__main__":
    JOB.main()
