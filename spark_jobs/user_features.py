"""What each user's purchases say about the user: activity, rhythm, spend, prices, taste, times of day; and attributes.

Reads interactions up to the date, and users, items, features/item, features/user_item and features/user_category of the
date; writes features/user: one row per user with a purchase.

    python -m spark_jobs.user_features --date 2017-11-30
    spark-submit spark_jobs/user_features.py --date 2017-11-30
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.history import count_since, days_until, exact_sum, gap_deviation, gap_mean, gap_sums, in_last, minutes_between
from spark_jobs.item_sales import REDUCED_PERCENT
from spark_jobs.job import Job
from spark_jobs.lake import Lake

WINDOWS = (1, 7, 28, 90)
DAYTIMES = {"night": 0, "morning": 6, "afternoon": 12, "evening": 18}  # the hour, UTC, at which each begins; six hours each
SATURDAY, SUNDAY = 7, 1


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {
        "history": lake.history(day),
        "users": lake.read("users", day),
        "items": lake.read("items", day),
        "item": lake.read("features/item", day),
        "user_item": lake.read("features/user_item", day),
        "user_category": lake.read("features/user_category", day),
    }


def transform(
    day: date,
    history: DataFrame,
    users: DataFrame,
    items: DataFrame,
    item: DataFrame,
    user_item: DataFrame,
    user_category: DataFrame,
) -> DataFrame:
    """One row per user of the history."""
    brands = items.join(item.select("item_id", "brand_rank_90"), "item_id").select("item_id", "brand", "brand_rank_90")
    brand = user_item.select("user_key", "item_id", "purchases").join(F.broadcast(brands), "item_id")
    return (
        activity(day, history)
        .join(prices(day, history, item), "user_key", "left")
        .join(concentration(user_category, "category"), "user_key", "left")
        .join(concentration(brand, "brand"), "user_key", "left")
        .join(main_brand(brand), "user_key", "left")
        .join(users.select("user_key", *attributes()), "user_key", "left")
    )


def activity(day: date, history: DataFrame) -> DataFrame:
    """One row per user: what the visits add up to, in the whole history and in windows."""
    is_first = F.col("previous_ts").isNull()
    visits = history.groupBy("user_key", "visit").agg(
        F.min("event_ts").alias("event_ts"),
        F.count("*").alias("purchases"),
        F.sum("value").alias("value"),
        F.sum(F.when(F.col("value") > 0, F.col("value"))).alias("spend"),
        F.count_if(is_first).alias("first_purchases"),
    )
    before = F.lag("event_ts").over(Window.partitionBy("user_key").orderBy("visit"))
    totals = (
        visits.withColumn("before_ts", before)
        .withColumn("gap", minutes_between("before_ts", "event_ts"))
        .groupBy("user_key")
        .agg(
            F.count("*").alias("visits"),
            F.sum("purchases").alias("purchases"),
            F.sum("value").cast("double").alias("value"),
            F.sum("first_purchases").alias("items"),
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
            F.max_by("purchases", "visit").alias("last_basket_items"),
            *gap_sums("gap"),
            *(count_since(day, days).alias(f"visits_{days}") for days in WINDOWS),
            *(in_window(day, days, what).alias(f"{what}_{days}") for what in ("purchases", "spend") for days in WINDOWS),
            in_window(day, 90, "first_purchases").alias("first_purchases_90"),
            *(F.count_if(is_between(hour, hour + 5)).alias(daytime) for daytime, hour in DAYTIMES.items()),
            *(F.count_if(F.dayofweek("event_ts") == weekday).alias(f"weekday_{weekday}") for weekday in range(1, 8)),
        )
    )
    recency, gap, visits_ = days_until(day, "last_ts"), gap_mean(), F.col("visits")
    weekdays = [F.col(f"weekday_{weekday}") for weekday in range(1, 8)]
    return totals.select(
        "user_key",
        "purchases",
        "visits",
        "items",
        recency.alias("recency_days"),
        days_until(day, "first_ts").alias("age_days"),
        (visits_ / F.greatest(days_until(day, "first_ts") / 7, F.lit(1))).alias("visits_per_week"),
        gap.alias("gap_days"),
        gap_deviation().alias("gap_std_days"),
        F.try_divide(recency, gap).alias("dueness"),
        (F.col("purchases") / visits_).alias("basket_items"),
        "last_basket_items",
        "value",
        (F.col("value") / visits_).alias("spend_per_visit"),
        *(f"{what}_{days}" for what in ("visits", "purchases", "spend") for days in WINDOWS),
        F.try_divide(F.col("visits_28") / 28, F.col("visits_90") / 90).alias("trend_28_90"),
        F.try_divide("first_purchases_90", "purchases_90").alias("novelty_rate_90"),
        *((F.col(daytime) / visits_).alias(f"{daytime}_share") for daytime in DAYTIMES),
        ((weekdays[SATURDAY - 1] + weekdays[SUNDAY - 1]) / visits_).alias("weekend_share"),
        (F.greatest(*weekdays) / visits_).alias("top_weekday_share"),
    )


def in_window(day: date, days: int, what: str) -> Column:
    """The sum over the visits that began in the last `days` days."""
    return F.coalesce(F.sum(F.when(in_last(day, days), F.col(what))), F.lit(0))


def is_between(first: int, last: int) -> Column:
    return F.hour("event_ts").between(first, last)


def prices(day: date, history: DataFrame, item: DataFrame) -> DataFrame:
    """One row per user with a priced purchase in 90 days: what was paid against the items' regular prices."""
    facts = item.where(F.col("regular_price_90") > 0).select("item_id", "regular_price_90", "price_to_subcategory")
    regular = (F.col("regular_price_90").cast("double") * F.col("quantity").cast("double")).cast("decimal(24,4)")
    return (
        history.where(in_last(day, 90) & (F.col("value") >= 0))
        .join(F.broadcast(facts), "item_id")
        .withColumn("regular", regular)
        .groupBy("user_key")
        .agg(
            F.try_divide(F.sum("value").cast("double"), F.sum("regular").cast("double")).alias("price_index_90"),
            F.avg((F.col("value") * 100 < F.col("regular") * REDUCED_PERCENT).cast("int")).alias("reduced_share_90"),
            F.try_divide(exact_sum(F.col("price_to_subcategory")), F.count("price_to_subcategory")).alias("price_level_90"),
            F.percentile("price_to_subcategory", [0.1, 0.9]).alias("levels"),
        )
        .withColumn("price_level_spread_90", F.col("levels")[1] - F.col("levels")[0])
        .drop("levels")
    )


def concentration(purchases: DataFrame, group: str) -> DataFrame:
    """One row per user: how many groups the purchases (user_key, group, purchases) are of, and how they are spread."""
    count = F.col("purchases")
    return (
        purchases.where(F.col(group).isNotNull())
        .groupBy("user_key", group)
        .agg(F.sum("purchases").alias("purchases"))
        .groupBy("user_key")
        .agg(
            F.count("*").alias(f"{group}_count"),
            (F.max(count) / F.sum(count)).alias(f"top_{group}_share"),
            F.greatest(F.ln(F.sum(count)) - exact_sum(count * F.ln(count)) / F.sum(count), F.lit(0)).alias(f"{group}_entropy"),
        )
    )


def main_brand(purchases: DataFrame) -> DataFrame:
    """One row per user: the share of the purchases that are of the shop's biggest brand, often its own."""
    is_main = (F.col("brand_rank_90") == 1) & F.col("brand").isNotNull()
    main = F.sum(F.when(is_main, F.col("purchases")).otherwise(0))
    return purchases.groupBy("user_key").agg((main / F.sum("purchases")).alias("main_brand_share"))


def attributes() -> list[Column]:
    """The bands of the users as numbers: the first number in the text, and 0 where it says "under"."""

    def first_number(band: str) -> Column:
        number = F.regexp_extract(band, r"\d+", 0)
        return F.when(F.lower(band).rlike("^(under|below|less|<)"), 0.0).otherwise(number.try_cast("double"))

    bands = {"age_from": "age_band", "income_from": "income_band", "household_from": "household_size"}
    return [first_number(band).alias(name) for name, band in bands.items()]


JOB = Job("features/user", extract, transform)

if __name__ == "__main__":
    JOB.main()
