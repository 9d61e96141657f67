"""Each user's last purchases in order, for the ranker's encoder.

Reads interactions up to the date; writes features/sequences: one row per user with a purchase.

    python -m spark_jobs.sequences --date 2017-11-30
    spark-submit spark_jobs/sequences.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake

LENGTH = 512


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day)}


def transform(day: date, history: DataFrame) -> DataFrame:
    """One row per user: three lists of equal length, oldest first; within a visit, by time and item."""
    steps = F.array_sort(F.collect_list(F.struct("visit", "event_ts", "item_id", "session_id")))
    last = F.slice("steps", F.greatest(F.size("steps") - LENGTH + 1, F.lit(1)), F.lit(LENGTH))
    return (
        history.groupBy("user_key")
        .agg(steps.alias("steps"))
        .select("user_key", last.alias("steps"))
        .select(
            "user_key",
            F.col("steps.item_id").alias("item_ids"),
            F.col("steps.event_ts").alias("event_ts"),
            F.col("steps.session_id").alias("session_ids"),
        )
    )


JOB = Job("features/sequences", extract, transform)

if __name__ == "__main__":
    JOB.main()
