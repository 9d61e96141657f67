"""Score a date's candidates with the champion model.

    python -m serving_export.lists.score --date 2017-11-30

Reads features/*, items and candidates/union of the date, and the champion from the MLflow registry
(a self-contained model: see `cartwheel.champion`). Writes `scores`: user_key, item_id, score, source, bought,
model_version. Removes the date's `explanations`, which are of the scores before.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Protocol

import mlflow
import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.champion import MODEL, champion_version, registry_client
from cartwheel.contracts import parse_partition_key
from serving_export.releases.user_batches import user_batches

log = structlog.get_logger()

USERS_PER_BATCH = 500
PER_USER = {
    "sequences": "features/sequences",
    "user": "features/user",
    "user_item": "features/user_item",
    "user_subcategory": "features/user_subcategory",
    "user_category": "features/user_category",
    "candidates": "candidates/union",
}
PER_ITEM = {"item": "features/item", "items": "items"}
SCORES = {"user_key": pl.String, "item_id": pl.String, "score": pl.Float32, "source": pl.String, "bought": pl.Boolean}


class Ranker(Protocol):
    """What the champion offers, for the users in `candidates`. Early versions have no `explain`."""

    def score(self, **tables: pa.Table) -> pa.Table:
        """The columns of `SCORES`."""

    def explain(self, pairs: pa.Table, **tables: pa.Table) -> pa.Table:
        """The columns of `explanations` for some pairs of `user_key` and `item_id`."""


class BadScoresError(ValueError):
    """The model returned scores that cannot be used."""


def load_champion(day: date) -> tuple[Ranker, str]:
    """The model that serves a date, and its version.

    Raises:
        NoChampionError: no version may serve the date.
    """
    version = champion_version(day)
    return load_version(version), version


def load_version(version: str) -> Ranker:
    """A registered version, ready to score."""
    registry_client()
    return mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").unwrap_python_model()


def batches(
    day: date, users_per_batch: int, also: Mapping[str, str] | None = None
) -> Iterator[tuple[dict[str, pa.Table], dict[str, pl.DataFrame]]]:
    """Some users with candidates at a time: all tables the champion takes for them, and those of the datasets `also`."""
    shared = {name: lake.read(dataset, day) for name, dataset in PER_ITEM.items()}
    started, done = time.monotonic(), 0
    for users, tables in user_batches({**PER_USER, **(also or {})}, day, "candidates", users_per_batch):
        yield {name: tables[name].to_arrow() for name in PER_USER} | shared, {name: tables[name] for name in also or {}}
        done += len(users)
        log.info("users done", date=str(day), users=done, users_per_s=round(done / (time.monotonic() - started)))


def score(day: date, ranker: Ranker | None = None, model_version: str = "", users_per_batch: int = USERS_PER_BATCH) -> None:
    """Write the scores of a date; `ranker` and its version are the champion unless given.

    Raises:
        NoChampionError: there is no champion.
        BadScoresError: the model gave a score that is not finite, or two for the same user and item.
        cartwheel.lake.MissingPartitionError: the features or candidates of that date are missing.
    """
    if ranker is None:
        ranker, model_version = load_champion(day)
    lake.delete("explanations", day)
    rows = lake.write_batches("scores", day, _scored(day, ranker, model_version, users_per_batch))
    log.info("scored", date=str(day), rows=rows, model_version=model_version)


def _scored(day: date, ranker: Ranker, model_version: str, users_per_batch: int) -> Iterator[pa.Table]:
    rows = 0
    for tables, _ in batches(day, users_per_batch):
        scored = pl.DataFrame(ranker.score(**tables)).select(pl.col(name).cast(dtype) for name, dtype in SCORES.items())
        scored = scored.sort("user_key", "item_id")
        _check(scored)
        rows += len(scored)
        yield scored.with_columns(model_version=pl.lit(model_version)).to_arrow()
    if not rows:
        raise BadScoresError(f"there are no candidates for {day}")


def _check(scores: pl.DataFrame) -> None:
    unusable = scores.filter(~pl.col("score").is_finite().fill_null(False) | pl.col("bought").is_null())
    if len(unusable):
        raise BadScoresError(f"{len(unusable)} of {len(scores)} scores are not finite or lack `bought`")
    repeated = len(scores) - scores.select("user_key", "item_id").n_unique()
    if repeated:
        raise BadScoresError(f"{repeated} of {len(scores)} scores repeat a user and item")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    score(parser.parse_args().date)
