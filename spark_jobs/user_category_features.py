"""What each user's purchases in each category say.

Reads interactions up to the date and items of the date; writes features/user_category: one row per user and
category the user has bought from, over all items and not only the candidate catalogue.

    python -m spark_jobs.user_category_features --date 2017-11-30
    spark-submit spark_jobs/user_category_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.user_group import group_features


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "items": lake.read("items", day)}


def transform(day: date, history: DataFrame, items: DataFrame) -> DataFrame:
    """One row per user and category: see `group_features`."""
    return group_features(day, history, items, "category")


JOB = Job("features/user_category", extract, transform)

if __name__ == "__main__":
    JOB.main()
