"""What all purchases say about each item, and its promotions on the date.

Reads interactions up to the date, and items and item_context of the date; writes features/item: one row per
item of the candidate catalogue.

    python -m spark_jobs.item_features --date 2017-11-30
    spark-submit spark_jobs/item_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import SECONDS_PER_DAY, count_since, days_until
from spark_jobs.job import Job
from spark_jobs.lake import Lake


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {
        "history": lake.history(day),
        "catalogue": lake.catalogue(day),
        "item_context": lake.read("item_context", day),
    }


def transform(day: date, history: DataFrame, catalogue: DataFrame, item_context: DataFrame) -> DataFrame:
    """One row per item of the catalogue; `price` is the list price, else the mean price paid."""
    is_last = F.col("is_last")  # one row per buyer: the buyer's last purchase of the item
    sales = history.groupBy("item_id").agg(
        F.count("*").alias("purchases"),
        F.count_if(is_last).alias("buyers"),
        F.count_if(is_last & F.col("previous_ts").isNotNull()).alias("repeat_buyers"),
        count_since(day, 7).alias("purchases_7"),
        count_since(day, 28).alias("purchases_28"),
        count_since(day, 90).alias("purchases_90"),
        count_since(day, 28, is_last).alias("buyers_28"),
        count_since(day, 90, is_last).alias("buyers_90"),
        # Whole seconds, so that no order of rows changes the sum.
        F.avg(F.unix_seconds("event_ts") - F.unix_seconds("previous_ts")).alias("gap_seconds"),
        F.min("event_ts").alias("first_ts"),
        F.max("event_ts").alias("last_ts"),
        F.sum("value").alias("value"),
        F.sum("quantity").alias("quantity"),
    )
    promotions = item_context.groupBy("item_id").agg(
        F.sum(F.when(F.col("mailer").isNotNull(), F.col("regions"))).alias("mailer_regions"),
        F.sum(F.when(F.col("display").isNotNull(), F.col("regions"))).alias("display_regions"),
    )
    price_paid = F.try_divide(F.col("value").cast("double"), F.col("quantity").cast("double"))
    return (
        catalogue.select("item_id", "price")
        .join(sales, "item_id")
        .join(F.broadcast(promotions), "item_id", "left")
        .select(
            "item_id",
            "purchases",
            "buyers",
            "purchases_7",
            "purchases_28",
            "purchases_90",
            "buyers_28",
            "buyers_90",
            F.try_divide(F.col("purchases_28") / 28, F.col("purchases_90") / 90).alias("trend_28_90"),
            (F.col("repeat_buyers") / F.col("buyers")).alias("repeat_rate"),
            (F.col("gap_seconds") / SECONDS_PER_DAY).alias("gap_days"),
            days_until(day, "last_ts").alias("recency_days"),
            days_until(day, "first_ts").alias("age_days"),
            F.coalesce("price", price_paid).alias("price"),
            F.coalesce("mailer_regions", F.lit(0)).alias("mailer_regions"),
            F.coalesce("display_regions", F.lit(0)).alias("display_regions"),
        )
    )


JOB = Job("features/item", extract, transform)

if __name__ == "__main__":
    JOB.main()
