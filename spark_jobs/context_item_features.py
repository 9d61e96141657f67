"""What is bought more than usual at a time, before a holiday, in a region, on a device.

Reads interactions up to the date, and items of the date; writes features/context_item: one row per context, value of it and
item of the candidate catalogue bought in it at least twice. With it, lists that are built once a day can be put in order for
the moment and the place of a request.

The lift is the observed over the expected number of purchases, both with 20 more (the mean of a gamma-Poisson model whose
prior is a lift of 1: DuMouchel 1999, https://doi.org/10.1080/00031305.1999.10474456): few purchases say little. Expected is
what the item would sell in the context if it sold like the whole catalogue. Of season and holiday, only items that were on
sale from the first weeks of the history to the last are judged: any other has the seasons of its own life.

    python -m spark_jobs.context_item_features --date 2017-11-30
    spark-submit spark_jobs/context_item_features.py --date 2017-11-30
"""

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.job import Job
from spark_jobs.lake import Lake
from spark_jobs.shop_calendar import calendar

HOURS = 3  # a part of the day: 00-03, 03-06, … 21-24, UTC
PRIOR = 20
AT_LEAST = 2
SEASONAL = ("season", "holiday")
NO_HOLIDAY = "no holiday"
MARGIN = 28  # days at either end of the history in which an item on sale throughout may have no purchase


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    days = calendar(lake.spark, day - timedelta(days=lake.history_days), day, lake.holidays)
    return {"events": lake.events(day), "catalogue": lake.catalogue(day), "days": days}


def transform(day: date, events: DataFrame, catalogue: DataFrame, days: DataFrame) -> DataFrame:
    """One row per context, value and item; a context that has one value in the whole shop has no rows."""
    sold = by_item(events, catalogue, days).persist()  # read twice below
    of_item = Window.partitionBy("item_id", "context")
    totals = {
        "of_item": F.sum("purchases").over(of_item),
        "item_first": F.min("first_day").over(of_item),
        "item_last": F.max("last_day").over(of_item),
    }
    from_start = F.col("item_first") <= F.date_add("start", MARGIN)
    throughout = from_start & (F.col("item_last") >= F.lit(day - timedelta(days=MARGIN)))
    enough = (F.col("purchases") >= AT_LEAST) & (F.col("usual") < 1) & (F.col("value") != NO_HOLIDAY)
    judged = enough & (throughout | ~F.col("context").isin(*SEASONAL))
    lift = (F.col("purchases") + PRIOR) / (F.col("of_item") * F.col("usual") + PRIOR)
    return (
        sold.withColumns(totals)
        .join(F.broadcast(usual_shares(sold)), ["context", "value"])
        .where(judged)
        .select(
            "context",
            "value",
            "item_id",
            "purchases",
            (F.col("purchases") / F.col("of_item")).alias("share"),
            F.ln(lift).alias("log_lift"),
        )
    )


def usual_shares(sold: DataFrame) -> DataFrame:
    """One row per context and value: its share of all purchases, and the first day with any."""
    values = sold.groupBy("context", "value").agg(F.sum("purchases").alias("purchases"), F.min("first_day").alias("first_day"))
    whole = Window.partitionBy("context")
    usual = F.col("purchases") / F.sum("purchases").over(whole)
    return values.select("context", "value", usual.alias("usual"), F.min("first_day").over(whole).alias("start"))


def by_item(events: DataFrame, catalogue: DataFrame, days: DataFrame) -> DataFrame:
    """Purchase events of each item of the catalogue by context and its value, with the first and the last day."""
    start = F.floor(F.hour("event_ts") / HOURS) * HOURS
    part = F.format_string("%02d-%02d", start, start + HOURS)
    contexts = {
        "part_of_day": part,
        "weekday": F.col("weekday").cast("string"),
        "season": F.col("season_name"),
        "holiday": F.coalesce("holiday", F.lit(NO_HOLIDAY)),
        "region": F.col("region"),
        "surface": F.col("surface"),
        "device": F.col("device"),
    }
    pairs = F.array(*(F.struct(F.lit(name).alias("context"), value.alias("value")) for name, value in contexts.items()))
    calendar_days = days.select("day", "weekday", "season_name", "holiday")
    return (
        events.where(F.col("event_type") == "purchase")
        .join(F.broadcast(catalogue.select("item_id")), "item_id", "left_semi")
        .select("item_id", "event_ts", F.to_date("event_ts").alias("day"), "region", "surface", "device")
        .repartition("item_id")  # all that follows groups by item: the only shuffle of the events, before there are seven of each
        .join(F.broadcast(calendar_days), "day")
        .select("item_id", "day", F.explode(pairs).alias("pair"))
        .where(F.col("pair.value").isNotNull())
        .groupBy("item_id", F.col("pair.context").alias("context"), F.col("pair.value").alias("value"))
        .agg(F.count("*").alias("purchases"), F.min("day").alias("first_day"), F.max("day").alias("last_day"))
    )


JOB = Job("features/context_item", extract, transform)

if __name__ == "__main__":
    JOB.main()
