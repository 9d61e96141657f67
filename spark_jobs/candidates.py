"""All candidates of every user, with what each source says of them.

Reads candidates/<source> of the date, of every source; writes candidates/union: one row per user and item
that a source names, with the source's rank and score, null where it does not name the item.

    python -m spark_jobs.candidates --date 2017-11-30
    spark-submit spark_jobs/candidates.py --date 2017-11-30
"""

from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartwheel.contracts import CANDIDATE_SOURCES
from spark_jobs.job import Job
from spark_jobs.lake import Lake


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {source: lake.read(f"candidates/{source}", day) for source in CANDIDATE_SOURCES}


def transform(day: date, **sources: DataFrame) -> DataFrame:
    """The full outer union of the sources, by user and item."""
    named = (
        frame.select("user_key", "item_id", F.lit(source).alias("source"), "rank", "score") for source, frame in sources.items()
    )
    columns = [
        F.max(F.when(F.col("source") == source, F.col(what))).alias(f"{source}_{what}")
        for source in sources
        for what in ("rank", "score")
    ]
    return reduce(DataFrame.unionByName, named).groupBy("user_key", "item_id").agg(*columns)


JOB = Job("candidates/union", extract, transform)

if __name__ == "__main__":
    JOB.main()
