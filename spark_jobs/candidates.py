"""The candidates of every user that go to the ranker, with what each source says of them.

Reads candidates/<source> of the date, of every source, and features/user_item; writes candidates/union: one row per user and
item, with every source's rank and score, null where it does not name the item. Of the items new to the user the best
UNION_SIZE stay, by a weighted fusion of the ranks; of the user's own items all that a source names.

    fused_score = Σ over sources that name the item: weight · ln((SILENT_RANK + FIRST_RANKS) / (rank + FIRST_RANKS))

The fusion is that of reciprocal ranks (Cormack, Clarke, Büttcher, SIGIR 2009) with a flatter slope and with weights, chosen
with `python -m benchmarks.union_weights` on two shops: see docs/candidates.md.
Ranks, unlike scores, mean the same in every shop and for every size of it.

    python -m spark_jobs.candidates --date 2017-11-30
    spark-submit spark_jobs/candidates.py --date 2017-11-30
"""

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartwheel.contracts import CANDIDATE_SOURCES
from spark_jobs.job import Job
from spark_jobs.lake import Lake

UNION_SIZE = 200
FIRST_RANKS = 20  # the first ranks are much alike
SILENT_RANK = 280  # a silent source counts as if it had named the item this late
WEIGHTS = {
    "buy_again": 1.0,
    "ease": 0.5,
    "als": 0.5,
    "content": 0.3,
    "trending": 0.15,
    "item_cf": 0.1,
    "co_purchase": 0.1,
    "new_items": 0.05,
    "popular": 0.02,
}


def extract(lake: Lake, day: date) -> dict[str, DataFrame]:
    sources = {source: lake.read(f"candidates/{source}", day) for source in CANDIDATE_SOURCES}
    return sources | {"user_items": lake.read("features/user_item", day)}


def transform(day: date, user_items: DataFrame, **sources: DataFrame) -> DataFrame:
    """The union of the sources, by user and item, cut to the best new items of each user and all own ones."""
    own = user_items.select("user_key", "item_id", F.lit(None).alias("rank"), F.lit(None).alias("score"))
    rows = [
        frame.select("user_key", "item_id", F.lit(code).alias("source"), "rank", "score")
        for code, frame in enumerate([*sources.values(), own])
    ]
    columns = [
        F.max(F.when(F.col("source") == code, F.col(what))).alias(f"{source}_{what}")
        for code, source in enumerate(sources)
        for what in ("rank", "score")
    ]
    best_first = Window.partitionBy("user_key", "is_own").orderBy(F.desc("fused_score"), "item_id")
    return (
        reduce(DataFrame.unionByName, rows)
        .repartition("user_key")  # the one shuffle: grouping and ranking need a user's rows together
        .groupBy("user_key", "item_id")
        .agg(*columns, F.bool_or(F.col("source") == len(sources)).alias("is_own"))
        .where(F.coalesce(*(F.col(f"{source}_rank") for source in sources)).isNotNull())
        .withColumn("fused_score", fused_score(list(sources)))
        .withColumn("place", F.row_number().over(best_first))
        .where(F.col("is_own") | (F.col("place") <= UNION_SIZE))
        .drop("is_own", "place")
    )


def fused_score(sources: list[str]) -> Column:
    """The weighted sum over the columns <source>_rank, in the order of the names, so that it is always the same."""
    parts = (
        WEIGHTS[source] * F.coalesce(F.log((SILENT_RANK + FIRST_RANKS) / (F.col(f"{source}_rank") + FIRST_RANKS)), F.lit(0.0))
        for source in sorted(sources)
    )
    return reduce(Column.__add__, parts)


JOB = Job("candidates/union", extract, transform)

if __name__ == "__main__":
    JOB.main()
