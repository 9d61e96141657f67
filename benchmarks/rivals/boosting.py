"""A gradient-boosted ranker (LightGBM) on the candidates, features and labels of the ranker's own scorer.

It sees every feature of `Ranker.assemble`, the encoder's score and rank among them, but not the encoder's vectors, on the same
training cut-offs and the same share of negatives. The objective is the scorer's: the probability of a purchase in the window.
"""

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from training import scorer
from training.model import Ranker

if TYPE_CHECKING:
    import lightgbm

ROUNDS = 400
PARAMETERS = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 63, "min_data_in_leaf": 100, "feature_fraction": 0.5,
    "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0, "deterministic": True, "force_row_wise": True,
    "verbosity": -1,
}  # fmt: skip


def fit(
    ranker: Ranker, tables: dict[date, dict[str, pl.DataFrame]], events: dict[date, pl.DataFrame], seed: int, threads: int
) -> "lightgbm.Booster":
    """Train on cut-offs: their tables (`training.data.load`) and the events of their label windows, as `training.train.fit`."""
    import lightgbm  # after torch, which brings the libgomp that a machine may lack

    names, parts = ranker.config["objectives"], []
    for cutoff in sorted(tables):
        rows = ranker.assemble(tables[cutoff])
        labels, ranks = scorer.labels(rows.pairs, events[cutoff], names), scorer.shown_ranks(rows.pairs, events[cutoff])
        parts.append(scorer.examples(rows, labels, ranks, seed))
    examples = scorer.joined(parts)
    purchased = examples.labels[:, names.index("purchase")]
    data = lightgbm.Dataset(examples.features, purchased, weight=examples.weights)
    return lightgbm.train(PARAMETERS | {"seed": seed, "num_threads": threads}, data, ROUNDS)


def scores(booster: "lightgbm.Booster", ranker: Ranker, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The candidates of all users of a date: user_key, item_id, bought, score."""
    rows = ranker.assemble(tables)
    return rows.pairs.select("user_key", "item_id", "bought").with_columns(score=pl.Series(booster.predict(rows.features)))
