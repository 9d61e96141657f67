"""What each user's purchases in each subcategory say.

Reads interactions up to the date and items of the date; writes features/user_subcategory: one row per user and
subcategory the user has bought from, over all items and not only the candidate catalogue.

    python -m spark_jobs.user_subcategory_features --date 2017-11-30
    spark-submit spark_jobs/user_subcategory_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.user_group import group_features


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "items": lake.read("items", day)}


def transform(day: date, history: DataFrame, items: DataFrame) -> DataFrame:
    """One row per user and subcategory: see `group_features`."""
    return group_features(day, history, items, "subcategory")


JOB = Job("features/user_subcategory", extract, transform)

if __name__ == "__main__":
    JOB.main()
