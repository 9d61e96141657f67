"""Candidates that the users most like this one buy: user-user collaborative filtering.

Reads features/user_item of the date; writes candidates/user_cf: the items new to the user with the highest scores. Users
are alike by the cosine of their BM25 weights, so a rare item in common says more than milk; an item's score sums the
likeness of the nearest users who buy it, their recent purchases more (Herlocker, Konstan, Borchers, Riedl: An algorithmic
framework for performing collaborative filtering, SIGIR 1999).

    python -m spark_jobs.user_cf --date 2017-11-30
    spark-submit spark_jobs/user_cf.py --date 2017-11-30
"""

from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags

from spark_jobs.bm25 import bm25
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.neighbours import nearest
from spark_jobs.topk import best_by_scores

SIZE = 200
NEIGHBOURS = 100


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the sum over the nearest users."""
    spark = user_items.sparkSession
    counts = user_item_matrix(user_items.select("user_key", "item_id", F.col("purchases").alias("weight")))
    recent = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    weights = of_length_one(bm25(counts.weights))
    alike = nearest(spark, weights, csr_matrix(weights.T), NEIGHBOURS)
    shared = spark.sparkContext.broadcast((recent.weights, alike))

    def score(block: slice) -> csr_matrix:
        weights, alike = shared.value
        return alike[block] @ weights

    return best_by_scores(spark, recent, score, SIZE)


def of_length_one(matrix: csr_matrix) -> csr_matrix:
    """Each row divided by its Euclidean length."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return csr_matrix(diags((1 / np.maximum(lengths, 1e-12)).astype(np.float32)) @ matrix)


JOB = Job("candidates/user_cf", extract, transform)

if __name__ == "__main__":
    JOB.main()
