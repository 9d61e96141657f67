"""The time and quality of the factorisation, beside `implicit`'s ALS on the same data with the same factors, sweeps and threads.

    make bench-als DATA=FOLDER
    python -m benchmarks.als FOLDER --peer .venv-implicit/bin/python

Both minimise the same loss in the row "same loss" (regularisation alike for all rows, as `implicit` has it); the last row has
the regularisation that grows with a row's weights. Fits take turns, and a time is the median of three. What is not timed: the
start of Spark and of its Python workers (one fit before the first), reading the data.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import save_npz

from benchmarks.one_against_99 import Split, of_files

FACTORS, SWEEPS, THREADS, REPETITIONS = 64, 12, 2, 3
ALPHA, CONSTANT, SCALED = 2.0, 30.0, 0.015  # alpha; regularisation alike for all rows; per weight of a row
PEER, SAME, OWN = "implicit", "Cartwheel, same loss", "Cartwheel, scaled regularisation"
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", required=True, help="the Python of an environment with `implicit`")
    arguments = parser.parse_args()
    from spark_jobs.implicit_als import ImplicitALS
    from spark_jobs.session import spark_session

    split = of_files(arguments.folder)
    spark = spark_session("bench-als")
    fits = {
        SAME: ImplicitALS(FACTORS, SWEEPS, ALPHA, CONSTANT, exponent=0),
        OWN: ImplicitALS(FACTORS, SWEEPS, ALPHA, SCALED),
    }
    seconds: dict[str, list[float]] = {PEER: [], SAME: [], OWN: []}
    quality = {}
    try:
        ImplicitALS(FACTORS, 1, ALPHA, SCALED).fit(spark, split.train)  # starts the workers
        for repetition in range(1, REPETITIONS + 1):
            console.print(f"repetition {repetition}/{REPETITIONS}")
            quality[PEER] = peer(split, arguments.peer, seconds[PEER])
            for name, als in fits.items():
                started = time.monotonic()
                factors = als.fit(spark, split.train)
                seconds[name].append(time.monotonic() - started)
                quality[name] = split.quality(*factors)
    finally:
        spark.stop()
    times = {name: statistics.median(found) for name, found in seconds.items()}
    table = Table("", "seconds", f"to {PEER}", "HR@10", "NDCG@10", title=f"{FACTORS} factors, {SWEEPS} sweeps, {THREADS} threads")
    for name, (hits, ndcg) in quality.items():
        table.add_row(name, f"{times[name]:.2f}", f"{times[name] / times[PEER]:.2f}", f"{hits:.4f}", f"{ndcg:.4f}")
    console.print(table)
    figures = {"time_ratio_to_implicit": times[SAME] / times[PEER], "hr_at_10": quality[SAME][0], "ndcg_at_10": quality[SAME][1],
               "implicit_hr_at_10": quality[PEER][0], "implicit_ndcg_at_10": quality[PEER][1],
               "scaled_hr_at_10": quality[OWN][0], "scaled_ndcg_at_10": quality[OWN][1]}  # fmt: skip
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


def peer(split: Split, python: str, seconds: list[float]) -> tuple[float, float]:
    """Fits the peer once, in a process of its own; adds its seconds, and gives its quality."""
    settings = {"factors": FACTORS, "iterations": SWEEPS, "alpha": ALPHA, "regularization": CONSTANT,
                "num_threads": THREADS, "random_state": 1}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        matrix, factors = f"{folder}/matrix.npz", f"{folder}/factors.npz"
        save_npz(matrix, split.train)
        script = str(Path(__file__).parent / "peers/implicit_als.py")
        command = [python, script, matrix, factors, json.dumps(settings)]
        # As its authors ask for: its own threads do the work, those of BLAS only get in their way.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": str(THREADS)}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        seconds.append(float(done.stdout))
        with np.load(factors) as found:
            return split.quality(found["users"], found["items"])


if __name__ == "__main__":
    main()
