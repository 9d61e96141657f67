"""Candidates bought by the buyers of what the user buys: item-item collaborative filtering.

Reads features/user_item of the date; writes candidates/item_cf: the 100 items new to the user with the
highest scores. Each item keeps its nearest neighbours by the product of BM25 weights of their buyers (k1 damps
repeat purchases, b the large baskets of heavy buyers); a user's score of an item sums the neighbourhoods of
what the user bought, the recent purchases more.

    python -m spark_jobs.item_cf --date 2017-11-30
    spark-submit spark_jobs/item_cf.py --date 2017-11-30
"""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import best_new_items, top, user_item_matrix

SIZE = 100
NEIGHBOURS = 150
ITEMS_PER_BLOCK = 512
K1 = 1.2
B = 0.75


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the sum of similarities."""
    spark = user_items.sparkSession
    counts = user_item_matrix(user_items.select("user_key", "item_id", F.col("purchases").alias("weight")))
    recent = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    similarities = neighbours(spark, bm25(counts.weights))
    shared = spark.sparkContext.broadcast((recent.weights, similarities))

    def score(block: slice) -> np.ndarray:
        weights, similarities = shared.value
        return (weights[block] @ similarities).toarray()

    return best_new_items(spark, recent, score, SIZE)


def bm25(counts: csr_matrix) -> csr_matrix:
    """The matrix (users, items) of counts in BM25 weights: items are the terms, users the documents."""
    users = counts.shape[0]
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    buyers = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log(users / (1 + buyers)) + 1
    damping = K1 * (1 - B + B * lengths / lengths.mean())
    weights = counts.copy().astype(np.float32)
    weights.data = weights.data * (K1 + 1) / (weights.data + np.repeat(damping, np.diff(weights.indptr)))
    return csr_matrix(weights @ diags(rarity.astype(np.float32)))


def neighbours(spark: SparkSession, weights: csr_matrix) -> csr_matrix:
    """The similarities of each item (row) to its nearest others (columns), in blocks of items in Spark's tasks."""
    shared = spark.sparkContext.broadcast((csr_matrix(weights.T), weights))

    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        by_item, by_user = shared.value
        for start in (start for batch in batches for start in batch["id"].to_pylist()):
            block = (by_item[start : start + ITEMS_PER_BLOCK] @ by_user).toarray()
            block[np.arange(len(block)), np.arange(start, start + len(block))] = 0
            places = [top(row, NEIGHBOURS) for row in block]
            rows = np.repeat(np.arange(len(places), dtype=np.int32), [len(row) for row in places])
            columns = np.concatenate(places).astype(np.int32)
            arrays = [pa.array(values) for values in (rows + np.int32(start), columns, block[rows, columns])]
            yield pa.RecordBatch.from_arrays(arrays, names=["item", "neighbour", "similarity"])

    blocks = spark.range(0, weights.shape[1], ITEMS_PER_BLOCK, spark.sparkContext.defaultParallelism)
    table = blocks.mapInArrow(nearest, "item int, neighbour int, similarity float").toArrow()
    entries = (table["item"].to_numpy(), table["neighbour"].to_numpy())
    return csr_matrix((table["similarity"].to_numpy(), entries), shape=(weights.shape[1],) * 2)


JOB = Job("candidates/item_cf", extract, transform)

if __name__ == "__main__":
    JOB.main()
