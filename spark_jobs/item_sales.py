"""What the purchases of each item add up to: counts in windows, gaps, prices paid. A part of features/item.

Purchases are first added up by item and price, then by item: the prices of an item, with how often each was paid, are all
that its quantiles need, and the events are shuffled once. All sums are of integers and decimals, so that no order of rows
changes them.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.history import count_since, gap_sums, in_last, minutes_between

WINDOWS = (1, 7, 28, 90)
REGULAR_PERCENT = 75  # the regular price: so many purchases in a hundred did not cost more
LOW_PERCENT, HIGH_PERCENT = 10, 90
REDUCED_PERCENT = 95  # a price below so much of the regular price is a reduced one


def item_sales(day: date, history: DataFrame) -> DataFrame:
    """One row per item ever bought; quantiles of prices are of the last 90 days, null where no price was paid."""
    priced = with_quantiles(by_price(day, history))
    reduced = F.col("price_paid") * 100 < F.col("regular_price") * REDUCED_PERCENT
    totals = [name for name in priced.columns if name not in ("item_id", "price_paid", "first_ts", "last_ts", *QUANTILES)]
    return priced.groupBy("item_id").agg(
        *(F.sum(name).alias(name) for name in totals),
        *(F.first(name).alias(name) for name in QUANTILES),  # equal in all rows of an item
        F.min("first_ts").alias("first_ts"),
        F.max("last_ts").alias("last_ts"),
        F.sum(F.when(reduced, F.col("priced_90")).otherwise(0)).alias("reduced_90"),
    )


def by_price(day: date, history: DataFrame) -> DataFrame:
    """One row per item and price paid (null: not known), to four decimals."""
    price = F.when(F.col("value") >= 0, F.try_divide("value", "quantity")).try_cast("decimal(18,4)")
    is_last, is_repeat = F.col("is_last"), F.col("previous_ts").isNotNull()
    return (
        history.withColumn("price_paid", price)
        .withColumn("gap", minutes_between("previous_ts", "event_ts"))
        .groupBy("item_id", "price_paid")
        .agg(
            F.count("*").alias("purchases"),
            F.count_if(is_last).alias("buyers"),  # a buyer's last purchase of the item stands for the buyer
            F.count_if(is_last & is_repeat).alias("repeat_buyers"),
            *(count_since(day, days).alias(f"purchases_{days}") for days in WINDOWS),
            *(count_since(day, days, is_last).alias(f"buyers_{days}") for days in (28, 90)),
            count_since(day, 90, is_repeat).alias("repeats_90"),
            count_since(day, 90, F.col("price_paid").isNotNull()).alias("priced_90"),
            *gap_sums("gap"),
            *paid("", F.lit(True)),
            *paid("_7", in_last(day, 7)),
            *paid("_28", in_last(day, 28)),
            *paid("_before", in_last(day, 28 + 90) & ~in_last(day, 28)),
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
        )
    )


QUANTILES = {"low_price": LOW_PERCENT, "regular_price": REGULAR_PERCENT, "high_price": HIGH_PERCENT}


def with_quantiles(prices: DataFrame) -> DataFrame:
    """Each row with its item's quantiles: the least price that so many of its purchases in a hundred did not exceed."""
    whole = Window.partitionBy("item_id")
    upto = whole.orderBy("price_paid").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    reached = prices.withColumn("reached", F.sum("priced_90").over(upto)).withColumn("all", F.sum("priced_90").over(whole))

    def quantile(percent: int) -> Column:
        enough = (F.col("priced_90") > 0) & (F.col("reached") * 100 >= F.col("all") * percent)
        return F.min(F.when(enough, F.col("price_paid"))).over(whole)

    return reached.withColumns({name: quantile(percent) for name, percent in QUANTILES.items()}).drop("reached", "all")


def paid(name: str, condition: Column) -> list[Column]:
    """Money and units of the purchases that meet a condition and have a price."""
    counts = condition & F.col("price_paid").isNotNull()
    return [F.sum(F.when(counts, F.col(what))).alias(f"{what}{name}") for what in ("value", "quantity")]
