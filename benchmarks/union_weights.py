"""The weights of the candidates' union, fitted on what was bought in the 28 days after a date (after `make demo`).

    python -m benchmarks.union_weights --date 2017-10-05

A logistic regression, over all new items that a source names, of whether the user bought them; its inputs are those of the
fused score, and no weight is below zero, since no source speaks against an item. Prints the weights of
`spark_jobs.candidates.WEIGHTS`, to be rounded. Choose a date whose window ends before the dates to be judged.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from benchmarks import recall_lake
from benchmarks.recall import Pool, new_only, pool_of
from benchmarks.recall_lake import Task
from cartwheel.contracts import parse_partition_key
from training.metrics import truth


def pool_of_new(task: Task, depths: dict[str, int]) -> Pool:
    """All pairs of a user with a new item that a source names."""
    own = recall_lake.read(task, "features/user_item", ["user_key", "item_id"])
    item = recall_lake.read(task, "features/item", ["item_id", "purchases"])
    lists = {source: recall_lake.read(task, f"candidates/{source}", ["user_key", "item_id", "rank"]) for source in task.sources}
    of = truth(task.bought_after, item, own, task.min_item_purchases)
    return pool_of({source: new_only(rows, own) for source, rows in lists.items()}, depths, of)


def fit(inputs: np.ndarray, bought: np.ndarray) -> np.ndarray:
    """Weights (inputs,) of a logistic regression of `bought` (rows,) on `inputs` (rows, inputs), none below zero."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = inputs @ weights[1:] + weights[0]
        errors = 1 / (1 + np.exp(-logits)) - bought
        gradient = np.concatenate([[errors.sum()], errors @ inputs])
        return float(np.sum(np.logaddexp(0, logits) - bought * logits)) / len(bought), gradient / len(bought)

    start = np.concatenate([[-3.0], np.full(inputs.shape[1], 0.1)])
    found = minimize(loss, start, jac=True, bounds=[(None, None), *[(0, None)] * inputs.shape[1]])
    return found.x[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--date", required=True, type=parse_partition_key)
    parser.add_argument("--scratch", type=Path, help="keep the candidates in this folder, and use those that are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cartwheel-recall-") as folder:
        root = arguments.scratch or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        task = recall_lake.demo_task(root, arguments.date, None)
        pool = pool_of_new(task, recall_lake.build(task))
    sources = [source for source, slopes in pool.slopes.items() if slopes.any()]
    weights = fit(np.stack([pool.slopes[source] for source in sources], axis=1), pool.bought.astype(float))
    print(json.dumps({source: round(float(weight), 3) for source, weight in zip(sources, weights, strict=True)}))


if __name__ == "__main__":
    main()
