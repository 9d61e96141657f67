"""What was known at the end of a date, in the form all jobs start from: the purchase history and the catalogue."""

from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

SECONDS_PER_DAY = 86_400
MINUTES_PER_DAY = 1440


def end_of(day: date) -> datetime:
    """The first moment after a date, UTC: what happened before it is known."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def days_until(day: date, moment: str) -> Column:
    """Days, with their fraction, from a timestamp column to the end of a date."""
    return days_between(F.col(moment), F.lit(end_of(day)))


def days_between(earlier: Column, later: Column) -> Column:
    return (later.cast("double") - earlier.cast("double")) / SECONDS_PER_DAY


def minutes_between(earlier: str, later: str) -> Column:
    """Whole minutes between two timestamp columns; sums of them and of their squares are exact."""
    return F.floor((F.unix_seconds(later) - F.unix_seconds(earlier)) / 60)


def gap_sums(gap: str) -> list[Column]:
    """Sums over a column of minutes that `gap_mean` and `gap_deviation` take."""
    squares = F.sum((F.col(gap) * F.col(gap)).cast("decimal(24,0)"))
    return [F.count(gap).alias("gaps"), F.sum(gap).alias("gap_sum"), squares.alias("gap_squares")]


def gap_mean() -> Column:
    """Days; null without a gap."""
    return F.try_divide("gap_sum", "gaps") / MINUTES_PER_DAY


def gap_deviation() -> Column:
    """The sample deviation in days; null with fewer than two gaps."""
    squares = F.col("gap_squares").cast("double") - F.col("gap_sum") * F.try_divide("gap_sum", "gaps")
    variance = F.try_divide(F.greatest(squares, F.lit(0)), F.col("gaps") - 1)
    return F.when(F.col("gaps") > 1, F.sqrt(variance) / MINUTES_PER_DAY)


def exact_sum(fraction: Column) -> Column:
    """A sum that no order of rows changes: of small numbers, each rounded to nine decimals."""
    return F.sum(F.round(fraction * 10**9).cast("long")) / 10**9


def in_last(day: date, days: int) -> Column:
    """Whether an event is one of the `days` that end with a date, or later."""
    return F.col("event_ts") >= F.lit(end_of(day) - timedelta(days=days))


def count_since(day: date, days: int, condition: Column | None = None) -> Column:
    """The number of rows of the last `days` days, and of those only the ones that meet the condition."""
    recent = in_last(day, days)
    return F.count_if(recent if condition is None else recent & condition)


def with_consent(events: DataFrame, without: DataFrame) -> DataFrame:
    """The events of users whose data may be used: all but those of `without` (user_key), whenever the events happened."""
    return events.join(F.broadcast(without), "user_key", "left_anti")


def purchase_history(events: DataFrame, day: date, partitions: int) -> DataFrame:
    """One row per purchase: one item in one visit of a user. Partitioned by user, sorted by user, item and visit.

    A visit is a session with a purchase; purchases without a session share one visit a day. Beside what was
    bought, a row knows its place: `visit` (the user's first is 1), `visits_since` (the user's later visits),
    `previous_ts` (the user's purchase of the item before this one, else null), and `is_last` (none came after).
    """
    session = F.coalesce("session_id", F.date_format("event_ts", "yyyy-MM-dd")).alias("session_id")
    visit_order = Window.partitionBy("user_key").orderBy("visit_ts", "session_id")
    item_order = Window.partitionBy("user_key", "item_id").orderBy("visit")
    return (
        events.where((F.col("event_type") == "purchase") & (F.col("event_ts") < F.lit(end_of(day))))
        .where(F.col("item_id").isNotNull())
        .select("user_key", session, "item_id", "event_ts", "quantity", "value")
        .repartition(partitions, "user_key")  # every later step groups by user: the only shuffle of the events
        .groupBy("user_key", "session_id", "item_id")
        .agg(
            F.min("event_ts").alias("event_ts"),
            F.sum(F.coalesce("quantity", F.lit(1.0)).cast("decimal(18,4)")).alias("quantity"),
            F.sum(F.col("value").cast("decimal(18,4)")).alias("value"),  # exact sums: no order of rows can change them
        )
        .withColumn("visit_ts", F.min("event_ts").over(Window.partitionBy("user_key", "session_id")))
        .withColumn("visit", F.dense_rank().over(visit_order))
        .withColumn("visits_since", F.max("visit").over(Window.partitionBy("user_key")) - F.col("visit"))
        .withColumn("previous_ts", F.lag("event_ts").over(item_order))  # its sort is the last: the one the rows keep
        .withColumn("is_last", F.lead("visit").over(item_order).isNull())
        .drop("visit_ts")
    )


def candidate_catalogue(items: DataFrame, history: DataFrame, minimum_purchases: int) -> DataFrame:
    """The items that may be recommended: available, and bought often enough so far. One row per item."""
    bought = history.groupBy("item_id").agg(F.count("*").alias("purchases")).where(F.col("purchases") >= minimum_purchases)
    return items.where(F.coalesce("available", F.lit(True))).join(bought.select("item_id"), "item_id", "left_semi")
