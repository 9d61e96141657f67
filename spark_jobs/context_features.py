"""The days to come: weekday, season, holidays, and how much is bought on such a weekday.

Reads interactions up to the date; writes features/context: one row for each of the 28 days after the date, which the
calendar knows before they come. Days are UTC; `CARTWHEEL_HOLIDAYS` says which days are public holidays.

    python -m spark_jobs.context_features --date 2017-11-30
    spark-submit spark_jobs/context_features.py --date 2017-11-30
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import in_last
from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.shop_calendar import calendar

DAYS_AHEAD = 28
WINDOW = 90


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    ahead = calendar(lake.spark, day + timedelta(days=1), day + timedelta(days=DAYS_AHEAD), lake.holidays)
    return {"history": lake.history(day), "ahead": ahead}


def transform(day: date, history: DataFrame, ahead: DataFrame) -> DataFrame:
    """One row per day ahead. The lift is of purchases a day, so that no weekday gains by coming once more in the window."""
    recent = history.where(in_last(day, WINDOW)).groupBy((F.weekday("event_ts") + 1).alias("weekday"))
    counts = recent.agg(F.count("*").alias("purchases"))
    ends = [day - timedelta(days=passed) for passed in range(WINDOW)]
    times = ahead.sparkSession.createDataFrame(
        [(weekday, sum(end.isoweekday() == weekday for end in ends)) for weekday in range(1, 8)], "weekday int, times int"
    )
    all_purchases = counts.agg(F.sum("purchases").alias("all_purchases"))
    a_day = F.try_divide("purchases", "times")
    lifts = times.join(F.broadcast(counts), "weekday").crossJoin(F.broadcast(all_purchases))
    lifts = lifts.select("weekday", F.ln(F.try_divide(a_day * WINDOW, F.col("all_purchases"))).alias("weekday_lift_90"))
    return ahead.join(F.broadcast(lifts), "weekday", "left").drop("season_name", "holiday")


JOB = Job("features/context", extract, transform)

if __name__ == "__main__":
    JOB.main()
