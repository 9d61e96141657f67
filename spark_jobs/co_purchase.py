"""Candidates that lie in the same baskets as what the user buys.

Reads interactions up to the date, items and features/user_item of the date; writes candidates/co_purchase: the items new to
the user with the highest scores. Two items are close by the visits that hold both, recent and small baskets more; as a
confidence it is divided by the visits of the first item, and by a power of those of the second, so that milk is not
everything's neighbour (lift would divide by all of them). PRIOR_VISITS shrinks items with few visits (Brin, Motwani,
Ullman, Tsur: Dynamic itemset counting and implication rules for market basket data, SIGMOD 1997).

    python -m spark_jobs.co_purchase --date 2017-11-30
    spark-submit spark_jobs/co_purchase.py --date 2017-11-30
"""

from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, diags

from spark_jobs.history import days_until
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.neighbours import nearest
from spark_jobs.topk import best_by_scores

SIZE = 200
NEIGHBOURS = 150
TIME_CONSTANT_DAYS = 180
PRIOR_VISITS = 10
POPULARITY_EXPONENT = 0.3


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "user_items": lake.read("features/user_item", day)}


def transform(day: date, history: DataFrame, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score sums the closeness to what the user bought."""
    spark = user_items.sparkSession
    recent = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_visits").alias("weight")))
    close = closeness(spark, baskets(day, history, recent.items))
    shared = spark.sparkContext.broadcast((recent.weights, close))

    def score(block: slice) -> csr_matrix:
        weights, close = shared.value
        return weights[block] @ close

    return best_by_scores(spark, recent, score, SIZE)


def baskets(day: date, history: DataFrame, items: np.ndarray) -> csr_matrix:
    """The matrix (visits, items) of what was bought together; an entry is the visit's weight, which fades with its age."""
    spark = history.sparkSession
    places = spark.createDataFrame(pa.table({"item_id": pa.array(items), "item": np.arange(len(items), dtype=np.int32)}))
    rows = (
        history.join(F.broadcast(places), "item_id")
        .select(
            F.xxhash64("user_key", "visit").alias("visit"),
            "item",
            F.exp(-days_until(day, "event_ts") / TIME_CONSTANT_DAYS).cast("float").alias("weight"),
        )
        .toArrow()
    )
    _, visits = np.unique(rows["visit"].to_numpy(), return_inverse=True)
    found = csr_matrix((rows["weight"].to_numpy(), (visits, rows["item"].to_numpy())), (visits.max(initial=-1) + 1, len(items)))
    found.sort_indices()
    return found


def closeness(spark: SparkSession, baskets: csr_matrix) -> csr_matrix:
    """How close each item (row) is to its nearest others (columns)."""
    others = np.maximum(np.diff(baskets.indptr) - 1, 1)
    visits = np.asarray(baskets.multiply(baskets).sum(axis=0), np.float64).ravel() + PRIOR_VISITS
    given = diags(1 / visits) @ baskets.T @ diags(others**-0.5)
    bought = baskets @ diags(visits**-POPULARITY_EXPONENT)
    return nearest(spark, csr_matrix(given, dtype=np.float32), csr_matrix(bought, dtype=np.float32), NEIGHBOURS)


JOB = Job("candidates/co_purchase", extract, transform)

if __name__ == "__main__":
    JOB.main()
