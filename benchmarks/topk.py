"""The best items from factors: ours against Spark's `recommendForAllUsers` and against the bare matrix product.

    make bench-topk
    python -m benchmarks.topk --users 16000 --items 64000

Made-up factors, in two ways: with lengths as they are in shops (few popular items have long vectors), and with lengths all
alike, where no product can be left out. The first row of figures is of the second, harder one. The bare product is the
quicker of NumPy's on two threads, whole rows and chunks of the size ours takes. Ours, in turns with it, includes Spark's job and
leaves out what a user has bought; Spark's does not.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_matrix

FACTORS, SIZE, BOUGHT, REPETITIONS = 64, 100, 50, 3
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=16_000)
    parser.add_argument("--items", type=int, default=256_000)
    arguments = parser.parse_args()
    from spark_jobs.matrix import Matrix
    from spark_jobs.session import spark_session
    from spark_jobs.topk import best_by_factors

    random = np.random.default_rng(1)
    users = random.normal(size=(arguments.users, FACTORS)).astype(np.float32)
    directions = random.normal(size=(arguments.items, FACTORS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = random.lognormal(0, 1, (arguments.items, 1)).astype(np.float32)
    bought = random.integers(arguments.items, size=(arguments.users, BOUGHT)).astype(np.int32)
    weights = csr_matrix((np.ones(bought.size, np.float32), bought.ravel(), np.arange(0, bought.size + 1, BOUGHT)),
                         shape=(arguments.users, arguments.items))  # fmt: skip
    weights.sort_indices()
    ids = [np.array([f"{kind}{place:07}" for place in range(rows)]) for kind, rows in zip("ui", weights.shape, strict=True)]
    matrix = Matrix(*ids, weights)
    spark = spark_session("bench-topk")
    table = Table("items' lengths", "", "seconds", "ours is so many times as quick")
    figures = {}
    try:
        for name, items in {"alike": directions, "as in shops": directions * lengths}.items():
            ours, bare = [], []
            for repetition in range(REPETITIONS + 1):
                console.print(f"lengths {name}: repetition {repetition}/{REPETITIONS}")
                ours.append(timed(lambda items=items: best_by_factors(spark, matrix, users, items, SIZE)
                                  .write.format("noop").mode("overwrite").save()))  # fmt: skip
                bare.append(bare_product(users, items))
            check(best_by_factors(spark, matrix, users, items, SIZE), users, items, weights)
            sparks = timed(lambda items=items: all_users(spark, users, items).write.format("noop").mode("overwrite").save())
            median = {"ours": statistics.median(ours[1:]), "bare": statistics.median(bare[1:])}  # the first starts the workers
            figures[name] = (sparks / median["ours"], median["bare"] / median["ours"])
            table.add_row(name, "best_by_factors", f"{median['ours']:.2f}", "")
            table.add_row("", "recommendForAllUsers", f"{sparks:.2f}", f"{figures[name][0]:.1f}")
            table.add_row("", "bare matrix product", f"{median['bare']:.2f}", f"{figures[name][1]:.2f}")
    finally:
        spark.stop()
    console.print(f"{arguments.users:,} users × {arguments.items:,} items × {FACTORS} factors, the best {SIZE}")
    console.print(table)
    (alike_speedup, alike_share), (shops_speedup, shops_share) = figures.values()
    print(json.dumps({"speedup_over_spark": round(alike_speedup, 2), "share_of_matmul": round(alike_share, 3),
                      "speedup_over_spark_as_in_shops": round(shops_speedup, 2),
                      "share_of_matmul_as_in_shops": round(shops_share, 3)}))  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def bare_product(users: np.ndarray, items: np.ndarray) -> float:
    """Seconds of all products, in blocks of users whose scores are thrown away: the quicker of two shapes of the blocks."""
    from spark_jobs.topk import ITEMS_PER_CHUNK, USERS_PER_BLOCK

    def product(chunk: int, block: int) -> None:
        scores = np.empty((block, chunk), np.float32)
        for start in range(0, len(users), block):
            for first in range(0, len(items), chunk):
                part = items[first : first + chunk]
                rows = users[start : start + block]
                np.matmul(rows, part.T, out=scores.reshape(-1)[: len(rows) * len(part)].reshape(len(rows), len(part)))

    threads = os.cpu_count() or 2
    return min(timed(lambda: product(len(items), 256)), timed(lambda: product(ITEMS_PER_CHUNK, threads * USERS_PER_BLOCK)))


def all_users(spark, users: np.ndarray, items: np.ndarray):
    """Spark's own lists from the same factors."""
    import pyarrow as pa
    from pyspark.sql import DataFrame

    def frame(factors: np.ndarray):
        values = pa.FixedSizeListArray.from_arrays(pa.array(factors.ravel()), FACTORS).cast(pa.list_(pa.float32()))
        return spark.createDataFrame(pa.table({"id": np.arange(len(factors), dtype=np.int32), "features": values}))

    model = spark._jvm.org.apache.spark.ml.recommendation.ALSModel("als", FACTORS, frame(users)._jdf, frame(items)._jdf)
    model = model.setUserCol("user").setItemCol("item").setBlockSize(4096)  # what fitting would have set
    return DataFrame(model.recommendForAllUsers(SIZE), spark)


def check(found, users: np.ndarray, items: np.ndarray, weights: csr_matrix) -> None:
    """That the lists of some users hold the best scores, each within rounding.

    Raises:
        SystemExit: they do not.
    """
    for user in range(0, len(users), len(users) // 20):
        scores = items @ users[user]
        scores[weights[user].indices] = 0
        best = np.sort(scores)[::-1][:SIZE]
        rows = found.where(found.user_key == f"u{user:07}").orderBy("rank").collect()
        if not np.allclose([row.score for row in rows], best, rtol=1e-4):
            raise SystemExit(f"the list of user {user} is not the best one")


if __name__ == "__main__":
    main()
