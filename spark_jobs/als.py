"""Candidates from matrix factorisation: new items close to what the user buys, in the taste of similar users.

Reads features/user_item of the date; writes candidates/als: the 100 items new to the user with the highest
scores. Implicit-feedback ALS (Hu, Koren, Volinsky 2008); the confidence in a pair is 1 + alpha · ln(1 + purchases).

    python -m spark_jobs.als --date 2017-11-30
    spark-submit spark_jobs/als.py --date 2017-11-30
"""

from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import Matrix, best_new_items, user_item_matrix

SIZE = 100
RANK = 48
ITERATIONS = 8
REGULARISATION = 0.1
ALPHA = 1.0
SEED = 20171130
BLOCKS = 2  # Spark adds up the blocks' products in the order in which their tasks end: only two give the same sum always


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the product of the factors."""
    spark = user_items.sparkSession
    matrix = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("purchases").alias("weight")))
    user_factors, item_factors = factorise(matrix, user_items)
    shared = spark.sparkContext.broadcast((user_factors, item_factors.T.copy()))

    def score(block: slice) -> np.ndarray:
        users, items = shared.value
        return users[block] @ items

    return best_new_items(spark, matrix, score, SIZE)


def factorise(matrix: Matrix, frame: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Factors of shapes (users, RANK) and (items, RANK), in the order of the matrix."""
    pairs = matrix.weights.tocoo()
    table = pa.table({"user": pairs.row.astype(np.int32), "item": pairs.col.astype(np.int32), "rating": pairs.data})
    ratings = frame.sparkSession.createDataFrame(table)
    als = ALS(
        rank=RANK, maxIter=ITERATIONS, regParam=REGULARISATION, alpha=ALPHA, implicitPrefs=True, seed=SEED,
        numUserBlocks=BLOCKS, numItemBlocks=BLOCKS, userCol="user", itemCol="item", ratingCol="rating",
        intermediateStorageLevel="MEMORY_ONLY", finalStorageLevel="MEMORY_ONLY",
    )  # fmt: skip
    model = als.fit(ratings)
    return _in_order(model.userFactors, len(matrix.users)), _in_order(model.itemFactors, len(matrix.items))


def _in_order(factors: DataFrame, rows: int) -> np.ndarray:
    table = factors.toArrow()
    values = table["features"].combine_chunks().flatten().to_numpy().astype(np.float32).reshape(-1, RANK)
    ordered = np.zeros((rows, RANK), np.float32)
    ordered[table["id"].to_numpy()] = values
    return ordered


JOB = Job("candidates/als", extract, transform)

if __name__ == "__main__":
    JOB.main()
