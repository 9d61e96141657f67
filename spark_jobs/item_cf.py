"""Candidates bought by the buyers of what the user buys: item-item collaborative filtering.

Reads features/user_item of the date; writes candidates/item_cf: the items new to the user with the highest scores. Each
item keeps its nearest neighbours by the product of BM25 weights of their buyers (k1 damps repeat purchases, b the large
baskets of heavy buyers); a user's score of an item sums the neighbourhoods of what the user bought, the recent purchases
more (Deshpande, Karypis: Item-based top-N recommendation algorithms, TOIS 2004).

    python -m spark_jobs.item_cf --date 2017-11-30
    spark-submit spark_jobs/item_cf.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from spark_jobs.bm25 import bm25
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.neighbours import nearest
from spark_jobs.topk import best_by_scores

SIZE = 200
NEIGHBOURS = 150


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the sum of similarities."""
    spark = user_items.sparkSession
    counts = user_item_matrix(user_items.select("user_key", "item_id", F.col("purchases").alias("weight")))
    recent = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    weights = bm25(counts.weights)
    similar = nearest(spark, csr_matrix(weights.T), weights, NEIGHBOURS)
    shared = spark.sparkContext.broadcast((recent.weights, similar))

    def score(block: slice) -> csr_matrix:
        weights, similar = shared.value
        return weights[block] @ similar

    return best_by_scores(spark, recent, score, SIZE)


JOB = Job("candidates/item_cf", extract, transform)

if __name__ == "__main__":
    JOB.main()
