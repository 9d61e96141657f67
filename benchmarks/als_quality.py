"""How good the factorisation is on a published split, its settings chosen on a validation split of the training part.

    make bench-als-quality DATA=FOLDER
    python -m benchmarks.als_quality FOLDER --spark

The folder holds one split of "Neural collaborative filtering" (ML-1M in the published figures): see `one_against_99`.
With `--spark`, Spark's own ALS on the same split as well, its settings chosen in the same way; that takes some ten minutes.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.one_against_99 import Split, of_files

Fit = Callable[[Split], tuple[np.ndarray, np.ndarray]]
FACTORS, SWEEPS = 192, 12
OURS = [(10 / 3, 0.03)]  # alpha, regularisation; beside those of the job's own rule
SPARK_FACTORS = 64  # with 192 it takes half an hour, and is no better
SPARKS = [(5.0, 0.05), (5.0, 0.1), (5.0, 0.2)]  # alpha, regParam
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spark", action="store_true", help="Spark's own ALS as well")
    arguments = parser.parse_args()
    from spark_jobs.implicit_als import ImplicitALS
    from spark_jobs.session import spark_session

    split = of_files(arguments.folder)
    users, items = split.train.shape
    console.print(f"{users:,} users, {items:,} items, {split.train.nnz:,} pairs; {SWEEPS} sweeps")
    spark = spark_session("bench-als-quality")
    rule = ImplicitALS.for_matrix(split.train, FACTORS, SWEEPS)
    settings = [(rule.alpha, rule.regularisation), *OURS]
    ours: dict[str, Fit] = {
        f"alpha {alpha:.3g}, regularisation {regularisation:.3g}": lambda part, alpha=alpha, regularisation=regularisation: (
            ImplicitALS(FACTORS, SWEEPS, alpha, regularisation).fit(spark, part.train)
        )
        for alpha, regularisation in settings
    }
    sparks: dict[str, Fit] = {
        f"alpha {alpha:g}, regParam {reg:g}": lambda part, alpha=alpha, reg=reg: mllib(spark, part, alpha, reg)
        for alpha, reg in SPARKS
    }
    rivals = {f"Cartwheel's ALS, {FACTORS} factors": ours, f"Spark's ALS, {SPARK_FACTORS} factors": sparks}
    try:
        found = {name: chosen(split, fits) for name, fits in list(rivals.items())[: 1 + arguments.spark]}
    finally:
        spark.stop()
    table = Table("", "settings, chosen on validation", "HR@10 there", "NDCG@10 there", "HR@10 test", "NDCG@10 test")
    for name, (settings, (hits, ndcg), (test_hits, test_ndcg)) in found.items():
        table.add_row(name, settings, f"{hits:.4f}", f"{ndcg:.4f}", f"{test_hits:.4f}", f"{test_ndcg:.4f}")
    console.print(table)
    prefixes = dict(zip(rivals, ("", "spark_"), strict=True))
    print(json.dumps({f"{prefixes[name]}{metric}": round(figure, 4)
                      for name, (_, _, test) in found.items()
                      for metric, figure in zip(("hr_at_10", "ndcg_at_10"), test, strict=True)}))  # fmt: skip


def chosen(split: Split, fits: dict[str, Fit]) -> tuple[str, tuple[float, float], tuple[float, float]]:
    """The settings with the best NDCG on a validation split, their quality there, and that of a new fit on the test."""
    validation, found = split.validation(), {}
    for name, fit in fits.items():
        found[name] = validation.quality(*fit(validation))
        console.print(f"validation, {name}: HR@10 {found[name][0]:.4f}, NDCG@10 {found[name][1]:.4f}")
    best = max(found, key=lambda name: found[name][1])
    return best, found[best], split.quality(*fits[best](split))


def mllib(spark, split: Split, alpha: float, regularisation: float) -> tuple[np.ndarray, np.ndarray]:
    """Factors by `pyspark.ml.recommendation.ALS`, in the order of the matrix."""
    import pyarrow as pa
    from pyspark.ml.recommendation import ALS

    pairs = split.train.tocoo()
    ratings = pa.table({"user": pairs.row.astype(np.int32), "item": pairs.col.astype(np.int32), "rating": pairs.data})
    model = ALS(
        rank=SPARK_FACTORS, maxIter=SWEEPS, alpha=alpha, regParam=regularisation, implicitPrefs=True, seed=1,
        userCol="user", itemCol="item", ratingCol="rating",
    ).fit(spark.createDataFrame(ratings))  # fmt: skip
    sides = []
    for frame, rows in zip((model.userFactors, model.itemFactors), split.train.shape, strict=True):
        table = frame.toArrow()
        ordered = np.zeros((rows, SPARK_FACTORS), np.float32)
        ordered[table["id"].to_numpy()] = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, SPARK_FACTORS)
        sides.append(ordered)
    return sides[0], sides[1]


if __name__ == "__main__":
    main()
