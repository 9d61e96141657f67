"""Candidates that have only just come on sale, among the kinds of items the user buys.

Reads features/user_item, items, the purchase history and the catalogue of the date; writes candidates/new_items: at most
100 items new to the user, among the available ones whose first purchase is at most 28 days old. One purchase
is enough, so that an item is found before it has those that the candidate catalogue asks for. An item's appeal is its
number of buyers; the user's own terms say which new items come first: see `spark_jobs.terms`.

    python -m spark_jobs.new_items --date 2017-11-30
    spark-submit spark_jobs/new_items.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import in_last
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.terms import by_affinity, item_terms

SIZE = 100
DAYS = 28


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    stored = {"user_items": lake.read("features/user_item", day), "items": lake.read("items", day)}
    return stored | {"history": lake.history(day), "catalogue": lake.catalogue(day)}


def transform(day: date, user_items: DataFrame, items: DataFrame, history: DataFrame, catalogue: DataFrame) -> DataFrame:
    """The new items of each user's kinds, from rank 1."""
    sales = history.groupBy("item_id").agg(F.min("event_ts").alias("event_ts"), F.count_distinct("user_key").alias("appeal"))
    fresh = items.where(F.coalesce("available", F.lit(True))).join(sales.where(in_last(day, DAYS)), "item_id").drop("event_ts")
    older = catalogue.join(F.broadcast(fresh.select("item_id")), "item_id", "left_anti").withColumn("appeal", F.lit(0))
    bought = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    return by_affinity(user_items.sparkSession, bought, item_terms(older.unionByName(fresh)), SIZE)


JOB = Job("candidates/new_items", extract, transform)

if __name__ == "__main__":
    JOB.main()
