"""What all purchases say about each item, its place in the hierarchy, its price, its text, and its promotions on the date.

Reads interactions up to the date, and items and item_context of the date; writes features/item: one row per
item of the candidate catalogue.

    python -m spark_jobs.item_features --date 2017-11-30
    spark-submit spark_jobs/item_features.py --date 2017-11-30
"""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.history import days_until, gap_deviation, gap_mean
from spark_jobs.item_sales import item_sales
from spark_jobs.item_text import TEXT, text_features
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
    sold = catalogue.join(item_sales(day, history), "item_id")
    sold = sold.withColumn("price", F.coalesce("price", mean_price(""))).persist()  # read twice below
    items = with_place(sold, brands(sold)).join(F.broadcast(promotions(day, item_context)), "item_id", "left")
    items = items.join(text_features(catalogue), "item_id")
    parts = [sales_features(day), price_features(), place_features(), promotion_features()]
    return items.select("item_id", *(column for part in parts for column in part), *TEXT)


def sales_features(day: date) -> list[Column]:
    counts = ("purchases", "buyers", *(f"purchases_{days}" for days in (1, 7, 28, 90)), "buyers_28", "buyers_90")
    return [
        *map(F.col, counts),
        F.try_divide(F.col("purchases_7") / 7, F.col("purchases_28") / 28).alias("trend_7_28"),
        F.try_divide(F.col("purchases_28") / 28, F.col("purchases_90") / 90).alias("trend_28_90"),
        (F.col("repeat_buyers") / F.col("buyers")).alias("repeat_rate"),
        F.try_divide("repeats_90", "purchases_90").alias("repeat_share_90"),
        gap_mean().alias("gap_days"),
        gap_deviation().alias("gap_std_days"),
        days_until(day, "last_ts").alias("recency_days"),
        days_until(day, "first_ts").alias("age_days"),
    ]


def price_features() -> list[Column]:
    regular = F.col("regular_price").cast("double")
    low, high = F.col("low_price").cast("double"), F.col("high_price").cast("double")
    usual = F.median("price").over(Window.partitionBy("subcategory"))
    return [
        F.col("price"),
        regular.alias("regular_price_90"),
        mean_price("_28").alias("price_paid_28"),
        log_ratio(mean_price("_28"), mean_price("_before")).alias("price_change_28_90"),
        log_ratio(mean_price("_7"), regular).alias("price_change_7_90"),
        (1 - F.try_divide(low, high)).alias("price_spread_90"),
        F.try_divide("reduced_90", "priced_90").alias("reduced_share_90"),
        F.when(F.col("subcategory").isNotNull(), log_ratio(F.col("price"), usual)).alias("price_to_subcategory"),
    ]


def with_place(sold: DataFrame, of_brand: DataFrame) -> DataFrame:
    """The items with what is bought around them: in their subcategory, their category, their brand and both."""
    for kind in ("subcategory", "category"):
        alike = Window.partitionBy(kind)
        sold = sold.withColumns(
            {
                f"{kind}_items": F.count("*").over(alike),
                f"{kind}_purchases_90": F.sum("purchases_90").over(alike),
                f"{kind}_rank_90": F.rank().over(alike.orderBy(F.desc("purchases_90"))),
            }
        )
    line = Window.partitionBy("subcategory", "brand")
    sold = sold.withColumn("line_purchases_90", F.sum("purchases_90").over(line))
    return sold.join(F.broadcast(of_brand), "brand", "left")


def brands(sold: DataFrame) -> DataFrame:
    """One row per brand: its items, its share of what is bought, and its rank by that. Few rows: one window is over all."""
    everything = Window.partitionBy()
    return (
        sold.where(F.col("brand").isNotNull())
        .groupBy("brand")
        .agg(F.count("*").alias("brand_items"), F.sum("purchases_90").alias("brand_purchases_90"))
        .withColumn("brand_share_90", F.try_divide("brand_purchases_90", F.sum("brand_purchases_90").over(everything)))
        .withColumn("brand_rank_90", F.rank().over(everything.orderBy(F.desc("brand_purchases_90"))))
    )


def place_features() -> list[Column]:
    found = [F.col("brand_items"), F.col("brand_share_90"), F.col("brand_rank_90")]
    for kind in ("subcategory", "category"):
        known = F.col(kind).isNotNull()
        found += [F.when(known, F.col(name)).alias(name) for name in (f"{kind}_items", f"{kind}_purchases_90", f"{kind}_rank_90")]
        found.append(F.when(known, F.try_divide("purchases_90", f"{kind}_purchases_90")).alias(f"{kind}_share_90"))
    both = F.col("brand").isNotNull() & F.col("subcategory").isNotNull()
    line = F.when(both, F.try_divide("line_purchases_90", "subcategory_purchases_90"))
    return [*found, line.alias("brand_of_subcategory_share_90")]


def promotions(day: date, item_context: DataFrame) -> DataFrame:
    """One row per item in a promotion that runs on the date; days are null where its dates are not known."""
    return item_context.groupBy("item_id").agg(
        F.sum(F.when(F.col("mailer").isNotNull(), F.col("regions"))).alias("mailer_regions"),
        F.sum(F.when(F.col("display").isNotNull(), F.col("regions"))).alias("display_regions"),
        F.date_diff(F.lit(day + timedelta(days=1)), F.min("starts_on")).alias("promotion_days"),
        F.date_diff(F.max("ends_on"), F.lit(day)).alias("promotion_days_left"),
    )


def promotion_features() -> list[Column]:
    regions = [F.coalesce(name, F.lit(0)).alias(name) for name in ("mailer_regions", "display_regions")]
    return [*regions, F.col("promotion_days"), F.col("promotion_days_left")]


def mean_price(window: str) -> Column:
    return F.try_divide(F.col(f"value{window}").cast("double"), F.col(f"quantity{window}").cast("double"))


def log_ratio(price: Column, other: Column) -> Column:
    """0 where equal; null where either is null or 0."""
    return F.ln(F.try_divide(F.when(price > 0, price), F.when(other > 0, other)))


JOB = Job("features/item", extract, transform)

if __name__ == "__main__":
    JOB.main()
