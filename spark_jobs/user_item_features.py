"""What each user's purchases of each item say: how often, how regularly, how long ago, at what price.

Reads interactions up to the date, and items and features/item of the date; writes features/user_item: one row per user
and item of the candidate catalogue that the user has bought.

    python -m spark_jobs.user_item_features --date 2017-11-30
    spark-submit spark_jobs/user_item_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import count_since, days_until, exact_sum, gap_deviation, gap_mean, gap_sums, minutes_between
from spark_jobs.job import Job
from spark_jobs.lake import Lake

VISITS_TIME_CONSTANT = 25
DAYS_TIME_CONSTANT = 90


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "item": lake.read("features/item", day)}


def transform(day: date, history: DataFrame, item: DataFrame) -> DataFrame:
    """One row per user and item bought; `dueness` is the time since the last purchase over the usual gap.

    The usual gap is the mean of the user's own gaps and of one gap that is as long as all users' mean gap of the item.
    """
    last_price = F.when(F.col("value") >= 0, F.try_divide(F.col("value").cast("double"), F.col("quantity").cast("double")))
    pairs = (
        history.withColumn("gap", minutes_between("previous_ts", "event_ts"))
        .groupBy("user_key", "item_id")
        .agg(
            F.count("*").alias("purchases"),
            F.sum("quantity").alias("quantity"),
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
            F.min("visits_since").alias("visits_since"),
            F.max("visits_since").alias("visits_since_first"),
            *gap_sums("gap"),
            *(count_since(day, days).alias(f"purchases_{days}") for days in (28, 90, 182)),
            exact_sum(F.exp(-F.col("visits_since") / VISITS_TIME_CONSTANT)).alias("decayed_visits"),
            exact_sum(F.exp(-days_until(day, "event_ts") / DAYS_TIME_CONSTANT)).alias("decayed_days"),
            F.max(F.when(F.col("is_last"), last_price)).alias("last_price"),
        )
    )
    usual = F.broadcast(item.select("item_id", "regular_price_90", F.col("gap_days").alias("item_gap_days")))
    recency, gap = days_until(day, "last_ts"), gap_mean()
    visits_apart = F.try_divide(F.col("visits_since_first") - F.col("visits_since"), F.col("purchases") - 1)
    own_gaps = F.coalesce(gap * F.col("gaps"), F.lit(0))
    usual_gap = F.when(F.col("item_gap_days").isNull(), gap).otherwise((own_gaps + F.col("item_gap_days")) / (F.col("gaps") + 1))
    return pairs.join(usual, "item_id").select(
        "user_key",
        "item_id",
        "purchases",
        "quantity",
        (F.col("quantity").cast("double") / F.col("purchases")).alias("quantity_per_purchase"),
        (F.col("purchases") / (F.col("visits_since_first") + 1)).alias("visit_share"),
        recency.alias("recency_days"),
        days_until(day, "first_ts").alias("age_days"),
        "visits_since",
        gap.alias("gap_days"),
        gap_deviation().alias("gap_std_days"),
        F.try_divide(recency, gap).alias("dueness"),
        visits_apart.alias("gap_visits"),
        F.try_divide("visits_since", visits_apart).alias("visit_dueness"),
        usual_gap.alias("usual_gap_days"),
        F.try_divide(recency, usual_gap).alias("usual_dueness"),
        "purchases_28",
        "purchases_90",
        "purchases_182",
        "decayed_visits",
        "decayed_days",
        F.try_divide("last_price", F.col("regular_price_90").cast("double")).alias("last_price_ratio"),
    )


JOB = Job("features/user_item", extract, transform)

if __name__ == "__main__":
    JOB.main()
