"""Candidates a user has bought before, by the probability of buying each again within the next 28 days.

Reads the purchase history and the catalogue of the date; writes candidates/buy_again: at most 150 items a user, the
score is the probability.

A hazard in discrete time, as a logistic regression on what is known of the user and the item: how often the user bought
it, how long ago, how far that is from being due (the logarithm of the time since the last purchase over the usual gap,
squared: the hazard is highest at the usual gap), how often its buyers come back to it, and how much of its sales are of
the last 28 days. The usual gap is the user's own, shrunk towards that of the item. The weights are fitted for every date
on the pairs as they stood 28 days before it, by what was bought since; a shop with little history stays near the weights
that the demo shop showed. After "Buy It Again: Modeling Repeat Purchase Recommendations" (Bhagat et al., KDD 2018).

    python -m spark_jobs.buy_again --date 2017-11-30
    spark-submit spark_jobs/buy_again.py --date 2017-11-30
"""

from datetime import date, datetime, timedelta

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from scipy.optimize import minimize

from spark_jobs.history import SECONDS_PER_DAY, end_of
from spark_jobs.job import Job
from spark_jobs.lake import Lake

SIZE = 150
WINDOW = timedelta(days=28)
USUAL_GAP_DAYS = 40.0  # of an item that nobody has bought twice
GAPS_OF_PRIOR = 3  # an item's gap counts as so many of a user's own, and USUAL_GAP_DAYS as so many of an item's
PURCHASES_TO_FIT = 1_000_000  # with more, the weights are fitted on a share of the users
FEATURES = ("purchases", "recency", "recency_squared", "from_due_squared", "repeats", "recent_share")
PRIOR = np.array([0.3, 1.1, -1.3, 0.12, -0.2, 0.35, 1.5])  # the constant, then FEATURES
PRIOR_WEIGHT = 10.0  # the inverse variance of each weight around its prior


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    return {"history": lake.history(day), "catalogue": lake.catalogue(day)}


def transform(day: date, history: DataFrame, catalogue: DataFrame) -> DataFrame:
    """The likeliest items of each user, from rank 1; equal ones in the order of the item id."""
    allowed = history.join(F.broadcast(catalogue.select("item_id")), "item_id", "left_semi")
    weights = fit(*sample(allowed, end_of(day) - WINDOW))
    logit = sum((weight * F.col(name) for weight, name in zip(weights[1:], FEATURES, strict=True)), F.lit(float(weights[0])))
    order = Window.partitionBy("user_key").orderBy(F.desc("logit"), "item_id")
    return (
        known_pairs(allowed, end_of(day))
        .withColumn("logit", logit)
        .withColumn("rank", F.row_number().over(order))
        .where(F.col("rank") <= SIZE)
        .select("user_key", "item_id", "rank", (1 / (1 + F.exp(-F.col("logit")))).alias("score"))
    )


def known_pairs(history: DataFrame, end: datetime) -> DataFrame:
    """One row per user and item bought before a moment: FEATURES as of then, and `again`, whether it was bought since."""
    before = F.col("event_ts") < F.lit(end)
    pairs = (
        history.groupBy("user_key", "item_id")
        .agg(
            F.count_if(before).alias("n"),
            F.count_if(before & (F.col("event_ts") >= F.lit(end - WINDOW))).alias("n_recent"),
            F.min("event_ts").cast("double").alias("first"),
            F.max(F.when(before, F.col("event_ts"))).cast("double").alias("last"),
            F.max(~before).alias("again"),
        )
        .where(F.col("n") > 0)
        .withColumn("span", (F.col("last") - F.col("first")) / SECONDS_PER_DAY)
    )
    items = pairs.groupBy("item_id").agg(
        F.count("*").alias("buyers"),
        F.sum("n").alias("item_n"),
        F.sum("n_recent").alias("item_recent"),
        F.sum(F.col("span").cast("decimal(18,4)")).alias("item_span"),  # exact, in whatever order it is added up
    )
    item_gaps = F.col("item_n") - F.col("buyers")
    item_gap = (F.col("item_span").cast("double") + GAPS_OF_PRIOR * USUAL_GAP_DAYS) / (item_gaps + GAPS_OF_PRIOR)
    gap = (F.col("span") + GAPS_OF_PRIOR * item_gap) / (F.col("n") - 1 + GAPS_OF_PRIOR)
    recency = F.lit(end.timestamp()) - F.col("last")
    return (
        pairs.join(F.broadcast(items), "item_id")
        .withColumn("days", recency / SECONDS_PER_DAY)
        .select(
            "user_key",
            "item_id",
            "again",
            F.log("n").alias("purchases"),
            F.log1p("days").alias("recency"),
            squared(F.log1p("days")).alias("recency_squared"),
            squared(F.log1p("days") - F.log1p(gap)).alias("from_due_squared"),
            F.log((item_gaps + 1) / (F.col("buyers") + 3)).alias("repeats"),
            (F.col("item_recent") / (F.col("item_n") + 5)).alias("recent_share"),
        )
    )


def squared(value: Column) -> Column:
    return value * value


def sample(history: DataFrame, end: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Features (pairs, 1 + FEATURES) and labels (pairs) as of a moment, of all users or a share of them chosen by their key."""
    share = max(1, history.count() // PURCHASES_TO_FIT)
    chosen = F.pmod(F.xxhash64("user_key"), F.lit(share)) == 0
    table = known_pairs(history, end).where(chosen).select(*FEATURES, F.col("again").cast("double")).toArrow()
    columns = np.array([column.to_numpy() for column in table.columns])
    columns = columns[:, np.lexsort(columns)]  # an order of their own, so that the sums over them are always the same
    return np.vstack([np.ones(columns.shape[1]), columns[:-1]]).T, columns[-1]


def fit(features: np.ndarray, again: np.ndarray) -> np.ndarray:
    """The weights of highest posterior density, under a normal prior around PRIOR."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit, off = features @ weights, weights - PRIOR
        value = np.logaddexp(0, logit).sum() - logit @ again + PRIOR_WEIGHT / 2 * off @ off
        return value, features.T @ (1 / (1 + np.exp(-logit)) - again) + PRIOR_WEIGHT * off

    return minimize(loss, PRIOR, jac=True, method="L-BFGS-B", options={"ftol": 1e-10}).x


JOB = Job("candidates/buy_again", extract, transform)

if __name__ == "__main__":
    JOB.main()
