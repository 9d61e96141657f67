"""Candidates that have only just come on sale, among the kinds of items the user buys.

Reads features/user_item, features/item and the catalogue of the date; writes candidates/new_items: at most 100 items new
to the user, among those whose first purchase is at most 28 days old. An item's appeal is its number of buyers; the user's
own terms say which new items come first: see `spark_jobs.terms`.

The catalogue asks for `min_item_purchases`, 5 unless set: with fewer, nothing is known that the ranker could go by.
A shop that wants its new items recommended from the first purchase on sets it to 1.

    python -m spark_jobs.new_items --date 2017-11-30
    spark-submit spark_jobs/new_items.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.matrix import user_item_matrix
from spark_jobs.terms import by_affinity, item_terms
from spark_jobs.trending import extract

SIZE = 100
DAYS = 28


def transform(day: date, user_items: DataFrame, item_features: DataFrame, catalogue: DataFrame) -> DataFrame:
    """The new items of each user's kinds, from rank 1."""
    appeal = item_features.select("item_id", F.when(F.col("age_days") <= DAYS, F.col("buyers")).otherwise(0).alias("appeal"))
    bought = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    return by_affinity(user_items.sparkSession, bought, item_terms(catalogue.join(appeal, "item_id")), SIZE)


JOB = Job("candidates/new_items", extract, transform)

if __name__ == "__main__":
    JOB.main()
