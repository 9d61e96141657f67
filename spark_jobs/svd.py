"""Candidates from the main directions of who buys what: truncated singular value decomposition (PureSVD).

Reads features/user_item of the date; writes candidates/svd: the items new to the user with the highest scores. A score is
the user's row of the user × item matrix projected on the first FACTORS directions (Cremonesi, Koren, Turrin: PureSVD,
RecSys 2010). Items weigh as their norm to the power of NORM_EXPONENT, so that popular items do not take all directions
(Nikolakopoulos et al.: EigenRec, 2019). The decomposition is the randomised one, whose cost is linear in the pairs:
subspace iterations from a fixed start (Halko, Martinsson, Tropp 2011).

    python -m spark_jobs.svd --date 2017-11-30
    spark-submit spark_jobs/svd.py --date 2017-11-30
"""

from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.topk import best_by_factors

SIZE = 200
FACTORS = 32
LEAST_ROWS_PER_FACTOR = 4  # with as many factors as items, the matrix itself comes back
SPARE_FACTORS = 16
NORM_EXPONENT = 0.5
ITERATIONS = 6
SEED = 20171130


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the projected weight."""
    matrix = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    users, items = factorise(matrix.weights, min(FACTORS, max(1, min(matrix.weights.shape) // LEAST_ROWS_PER_FACTOR)))
    return best_by_factors(user_items.sparkSession, matrix, users, items, SIZE)


def factorise(weights: csr_matrix, factors: int) -> tuple[np.ndarray, np.ndarray]:
    """User factors (users, factors) and item factors (items, factors), whose products are the projected weights."""
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0), np.float64)).ravel()
    norms = np.where(norms > 0, norms, 1)
    scaled = csr_matrix(weights @ diags(norms ** (NORM_EXPONENT - 1)))
    directions = right_singular_vectors(scaled, factors)
    users = scaled @ directions
    return users.astype(np.float32), (directions * (norms ** (1 - NORM_EXPONENT))[:, None]).astype(np.float32)


def right_singular_vectors(matrix: csr_matrix, count: int) -> np.ndarray:
    """The first right singular vectors (columns, count) of a sparse matrix, by subspace iteration."""
    width = min(count + SPARE_FACTORS, *matrix.shape)
    basis = np.random.default_rng(SEED).standard_normal((matrix.shape[1], width))
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(matrix.T @ (matrix @ basis))[0]
    _, _, rotation = np.linalg.svd(np.linalg.qr(matrix @ basis)[1])
    return basis @ rotation.T[:, :count]


JOB = Job("candidates/svd", extract, transform)

if __name__ == "__main__":
    JOB.main()
