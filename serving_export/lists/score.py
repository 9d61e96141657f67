"""Score a date's candidates with the champion model.

    python -m serving_export.lists.score --date 2017-11-30

Reads features/*, items and candidates/union of the date, and the champion from the MLflow registry
(a self-contained model: see `cartwheel.champion`). Users whom a running experiment gives another version are scored with that
one. Writes `scores`: user_key, item_id, score, source, bought, model_version. Removes the date's `explanations`, which are of
the scores before.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.contracts import parse_partition_key
from cartwheel.user_batches import user_batches
from serving_export.experiments.treatments import Treatments, read_treatments
from serving_export.lists.versions import Ranker, by_version, load_champion, load_for_experiments

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


class BadScoresError(ValueError):
    """The model returned scores that cannot be used."""


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
        VersionGoneError: a version that a running experiment uses cannot be loaded.
        BadScoresError: a model gave a score that is not finite, or two for the same user and item.
        cartwheel.lake.MissingPartitionError: the features or candidates of that date are missing.
    """
    if ranker is None:
        ranker, model_version = load_champion(day)
    treatments = read_treatments(day)
    rankers = load_for_experiments(treatments) | {model_version: ranker}
    lake.delete("explanations", day)
    rows = lake.write_batches("scores", day, _scored(day, rankers, model_version, treatments, users_per_batch))
    log.info("scored", date=str(day), rows=rows, model_version=model_version, experiments=list(treatments.by_version()))


def _scored(
    day: date, rankers: Mapping[str, Ranker], champion: str, treatments: Treatments, users_per_batch: int
) -> Iterator[pa.Table]:
    rows = 0
    for tables, _ in batches(day, users_per_batch):
        scored = scores_of(rankers, tables, treatments, champion)
        rows += len(scored)
        yield scored.to_arrow()
    if not rows:
        raise BadScoresError(f"there are no candidates for {day}")


def scores_of(rankers: Mapping[str, Ranker], tables: dict[str, pa.Table], treatments: Treatments, champion: str) -> pl.DataFrame:
    """The columns of the lake's `scores` for the users of some tables (`PER_USER` and `PER_ITEM`), by user_key and item_id.

    Args:
        rankers: by version. champion: the version for users whom no experiment gives another one.

    Raises:
        BadScoresError: see `score`.
    """
    parts = [pl.DataFrame(schema=SCORES | {"model_version": pl.String})]
    for version, own in by_version(tables, treatments, champion):
        scored = pl.DataFrame(rankers[version].score(**own)).select(pl.col(name).cast(dtype) for name, dtype in SCORES.items())
        parts.append(scored.with_columns(model_version=pl.lit(version)))
    together = pl.concat(parts).sort("user_key", "item_id")
    _check(together)
    return together


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
