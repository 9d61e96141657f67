"""What each user's purchases in each group of items say: interest in a kind of item, whichever item it is.

The code that user_subcategory_features and user_category_features share; a group is a subcategory or a category.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.history import MINUTES_PER_DAY, count_since, days_until, exact_sum, minutes_between
from spark_jobs.user_item_features import VISITS_TIME_CONSTANT


def group_features(day: date, history: DataFrame, items: DataFrame, group: str) -> DataFrame:
    """One row per user and group bought from, over all items; gaps are between the visits that hold the group.

    The usual gap is the mean of the user's own gaps and of one gap that is as long as all users' mean gap of the group.
    """
    groups = items.where(F.col(group).isNotNull()).select("item_id", group)
    per_visit = (
        history.join(F.broadcast(groups), "item_id")
        .groupBy("user_key", group, "visit", "visits_since")
        .agg(
            F.min("event_ts").alias("event_ts"),
            F.count("*").alias("purchases"),
            F.count_if(F.col("previous_ts").isNull()).alias("items"),
            count_since(day, 28).alias("purchases_28"),
            count_since(day, 90).alias("purchases_90"),
        )
    )
    decayed = F.col("purchases") * F.exp(-F.col("visits_since") / VISITS_TIME_CONSTANT)
    pairs = (
        per_visit.groupBy("user_key", group)
        .agg(
            F.sum("purchases").alias("purchases"),
            F.sum("items").alias("items"),
            F.count("*").alias("visits"),
            F.min("event_ts").alias("first_ts"),
            F.max("event_ts").alias("last_ts"),
            F.sum("purchases_28").alias("purchases_28"),
            F.sum("purchases_90").alias("purchases_90"),
            exact_sum(decayed).alias("decayed_visits"),
        )
        .withColumn("span", minutes_between("first_ts", "last_ts"))
    )
    of_group = pairs.groupBy(group).agg(F.try_divide(F.sum("span"), F.sum("visits") - F.count("*")).alias("group_gap"))
    of_user = history.groupBy("user_key").agg(F.count("*").alias("all_purchases"))
    recency, gap = days_until(day, "last_ts"), F.try_divide("span", F.col("visits") - 1) / MINUTES_PER_DAY
    one_more = F.col("group_gap").isNotNull().cast("int")
    usual_gap = F.try_divide(F.col("span") + F.coalesce("group_gap", F.lit(0)), F.col("visits") - 1 + one_more) / MINUTES_PER_DAY
    return (
        pairs.join(F.broadcast(of_group), group)
        .join(of_user, "user_key")
        .select(
            "user_key",
            group,
            "purchases",
            "items",
            "visits",
            (F.col("purchases") / F.col("all_purchases")).alias("share"),
            recency.alias("recency_days"),
            gap.alias("gap_days"),
            F.try_divide(recency, gap).alias("dueness"),
            F.try_divide(recency, usual_gap).alias("usual_dueness"),
            "purchases_28",
            "purchases_90",
            "decayed_visits",
        )
    )
