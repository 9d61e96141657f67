"""Candidates from matrix factorisation: new items close to what the user buys, in the taste of similar users.

Reads features/user_item of the date; writes candidates/als: the 200 items new to the user with the highest
scores. Implicit-feedback ALS (`implicit_als.py`); the confidence in a pair is 1 + alpha · ln(1 + purchases that
fade with time).

    python -m spark_jobs.als --date 2017-11-30
    spark-submit spark_jobs/als.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.implicit_als import ImplicitALS
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.matrix import user_item_matrix
from spark_jobs.topk import best_by_factors

SIZE = 200
FACTORS = 64
SWEEPS = 8


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame) -> DataFrame:
    """The best new items of each user, from rank 1; the score is the product of the factors."""
    spark = user_items.sparkSession
    matrix = user_item_matrix(user_items.select("user_key", "item_id", F.log1p("decayed_days").alias("weight")))
    users, items = ImplicitALS.for_matrix(matrix.weights, FACTORS, SWEEPS).fit(spark, matrix.weights)
    return best_by_factors(spark, matrix, users, items, SIZE)


JOB = Job("candidates/als", extract, transform)

if __name__ == "__main__":
    JOB.main()
