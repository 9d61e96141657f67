"""Candidates from a linear model of what goes together: EASE.

Reads features/user_item and features/item of the date; writes candidates/ease: the items new to the user with the highest
scores. From all that a user buys, the model learns weights of items on other items in one closed form (Steck: Embarrassingly
shallow autoencoders for sparse data, WWW 2019, equation 8); a purchase counts less the longer ago the last one is. A score is
multiplied by how well the item sells of late: what is new to a user is bought in season.

    python -m spark_jobs.ease --date 2017-11-30
    spark-submit spark_jobs/ease.py --date 2017-11-30
"""

from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags_array

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import Matrix, user_item_matrix
from spark_jobs.topk import USERS_PER_BLOCK, best_by_scores

SIZE = 200
REGULARISATION = 300.0
FADING_DAYS = 180  # a purchase that long ago weighs 1/e
DEMAND_POWER = 0.25
LARGEST = 10_000  # rows of the matrix that is inverted: 0.8 GB and some ten seconds


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day), "items": lake.read("features/item", day)}


def transform(day: date, user_items: DataFrame, items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the weights' sum times the item's demand."""
    spark = user_items.sparkSession
    bought = user_items.select("user_key", "item_id", F.exp(-F.col("recency_days") / FADING_DAYS).alias("weight"))
    matrix = most_bought(user_item_matrix(bought))
    users, weights = factors(matrix.weights)
    shared = spark.sparkContext.broadcast((users, weights @ diags_array(demand(items, matrix.items))))

    def score(block: slice) -> csr_matrix:
        users, weights = shared.value
        return csr_matrix(users[block] @ weights)

    return best_by_scores(spark, matrix, score, SIZE)


def most_bought(matrix: Matrix) -> Matrix:
    """Of more than `LARGEST` users and items, the items with most buyers; else the matrix as it is."""
    if min(matrix.weights.shape) <= LARGEST:
        return matrix
    kept = np.sort(np.argsort(-matrix.weights.getnnz(axis=0), kind="stable")[:LARGEST])
    return Matrix(matrix.users, matrix.items[kept], csr_matrix(matrix.weights[:, kept]))


def factors(bought: csr_matrix) -> tuple[np.ndarray | csr_matrix, np.ndarray | csr_matrix]:
    """Two factors whose product is the EASE scores of items that a user has not bought; `bought` is of shape (users, items).

    With λ = `REGULARISATION` and X the matrix, the weights are −P_ij / P_jj of P = (XᵀX + λI)⁻¹. As X P = (XXᵀ + λI)⁻¹ X, it
    is enough to invert the smaller side.
    """
    users, items = bought.shape
    matrix = csr_matrix(bought, dtype=np.float64)
    if users <= items:
        inverse = _inverse(matrix @ matrix.T)
        explained = np.zeros(items)
        for start in range(0, users, USERS_PER_BLOCK):  # the product as a whole would be dense
            block = slice(start, start + USERS_PER_BLOCK)
            explained += np.asarray(matrix[block].multiply(inverse[block] @ matrix).sum(axis=0)).ravel()
        own = (1 - explained) / REGULARISATION
        return -inverse.astype(np.float32), csr_matrix(matrix @ diags_array(1 / own), dtype=np.float32)
    inverse = _inverse(matrix.T @ matrix)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return bought, weights.astype(np.float32)


def demand(items: DataFrame, order: np.ndarray) -> np.ndarray:
    """(purchases of 28 days / all purchases) ^ `DEMAND_POWER`, smoothed, of shape (items,), in the order of the ids."""
    rows = items.select("item_id", "purchases_28", "purchases").toArrow()
    share = (rows["purchases_28"].to_numpy() + 1.0) / (rows["purchases"].to_numpy() + 5.0)
    by_id = dict(zip(rows["item_id"].to_pylist(), share**DEMAND_POWER, strict=True))
    return np.array([by_id[item] for item in order], np.float32)


def _inverse(gram: csr_matrix) -> np.ndarray:
    return np.linalg.inv(gram.toarray() + REGULARISATION * np.eye(gram.shape[0]))


JOB = Job("candidates/ease", extract, transform)

if __name__ == "__main__":
    JOB.main()
