"""Candidates that sell more this week than before, among the kinds of items the user buys.

Reads features/user_item, features/item and the catalogue of the date; writes candidates/trending: at most 200 items new
to the user. An item's appeal is its purchases of the last 7 days times their growth over the 3 weeks before, where
the growth is corrected for that of the whole shop, and shrunk as if 5 more purchases had been made in either week; what
does not grow has none. The user's own terms say which of the rising items come first: see `spark_jobs.terms`.

    python -m spark_jobs.trending --date 2017-11-30
    spark-submit spark_jobs/trending.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.terms import by_affinity, item_terms

SIZE = 200
PRIOR_PURCHASES = 5


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    frames = {"user_items": "features/user_item", "item_features": "features/item"}
    return {"catalogue": lake.catalogue(day)} | {name: lake.read(dataset, day) for name, dataset in frames.items()}


def transform(day: date, user_items: DataFrame, item_features: DataFrame, catalogue: DataFrame) -> DataFrame:
    """The rising items of each user's kinds, from rank 1."""
    appeal = rise(item_features)
    bought = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    return by_affinity(user_items.sparkSession, bought, item_terms(catalogue.join(appeal, "item_id")), SIZE)


def rise(item_features: DataFrame) -> DataFrame:
    """item_id and `appeal`, one row per item: purchases of the week times their growth, zero for what does not grow."""
    week, before = F.col("purchases_7").cast("double"), (F.col("purchases_28") - F.col("purchases_7")).cast("double") / 3
    shop = item_features.agg(F.sum(F.col("purchases_7").cast("double")), F.sum((F.col("purchases_28")).cast("double"))).first()
    now, earlier = (shop[0] or 0, ((shop[1] or 0) - (shop[0] or 0)) / 3) if shop else (0, 0)
    expected = before * (now / earlier if earlier else 1)
    growth = (week + PRIOR_PURCHASES) / (expected + PRIOR_PURCHASES) - 1
    return item_features.select("item_id", (week * F.greatest(growth, F.lit(0.0))).alias("appeal"))


JOB = Job("candidates/trending", extract, transform)

if __name__ == "__main__":
    JOB.main()
