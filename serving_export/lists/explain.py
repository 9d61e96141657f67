"""Ask the champion why it recommends what it recommends.

    python -m serving_export.lists.explain --date 2017-11-30

Reads what `serving_export.lists.score` reads, and its `scores`. Writes `explanations`, one row for each user and listed item:
what each group of features adds to the score, and which items of the user's history moved it. A version that cannot
explain itself leaves none, and the lists of its users then get their reasons by rule (`serving_export.lists.reasons`).
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from serving_export.experiments.treatments import Treatments, read_treatments
from serving_export.lists.score import USERS_PER_BATCH, batches
from serving_export.lists.versions import Ranker, by_version, champion_of, load_for_experiments, load_version
from serving_export.rerank.reranker import Reranker

log = structlog.get_logger()


def explain(day: date, ranker: Ranker | None = None, users_per_batch: int = USERS_PER_BATCH) -> None:
    """Write the explanations of a date's recommendations; `ranker` is the champion that scored them unless given.

    Raises:
        VersionGoneError: a version that a running experiment uses cannot be loaded.
        cartwheel.lake.MissingPartitionError: the date has not been scored.
    """
    champion, treatments = champion_of(day), read_treatments(day)
    rankers = load_for_experiments(treatments) | {champion: ranker or load_version(champion)}
    able = that_explain(rankers)
    lake.delete("explanations", day)
    if silent := sorted(rankers.keys() - able.keys()):
        log.warning("these versions cannot explain themselves: reasons go by rule", date=str(day), model_versions=silent)
    if not able:
        return
    started = time.monotonic()
    pairs = lake.write_batches("explanations", day, _explained(day, able, champion, treatments, users_per_batch))
    log.info("explained", date=str(day), pairs=pairs, seconds=round(time.monotonic() - started))


def _explained(
    day: date, rankers: Mapping[str, Ranker], champion: str, treatments: Treatments, users_per_batch: int
) -> Iterator[pa.Table]:
    reranker = Reranker(day, pl.DataFrame(lake.read("items", day)))
    for tables, also in batches(day, users_per_batch, {"scores": "scores"}):
        bought, categories = (pl.DataFrame(tables[name]) for name in ("user_item", "user_category"))
        yield explanations_of(rankers, reranker.lists(also["scores"], bought, categories), tables, treatments, champion)


def that_explain(rankers: Mapping[str, Ranker]) -> dict[str, Ranker]:
    """Those of the versions that say why."""
    return {version: each for version, each in rankers.items() if hasattr(each, "explain")}


def explanations_of(
    rankers: Mapping[str, Ranker], lists: pl.DataFrame, tables: dict[str, pa.Table], treatments: Treatments, champion: str
) -> pa.Table:
    """The lake's `explanations` of some lists (user_key, item_id) from the tables they were scored from.

    Args:
        rankers: the versions that explain; users of others have no rows. champion: see `score.scores_of`.
    """
    schema, wanted = LAKE_SCHEMAS["explanations"], lists.select("user_key", "item_id").unique()
    explanations = [schema.empty_table()]
    for version, own in by_version(tables, treatments, champion):
        if version in rankers:
            pairs = wanted.join(pl.DataFrame(own["candidates"].select(["user_key"])), on="user_key", how="semi")
            explanations.append(rankers[version].explain(pairs.to_arrow(), **own).select(schema.names).cast(schema))
    return pa.concat_tables(explanations).sort_by([("user_key", "ascending"), ("item_id", "ascending")])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    explain(parser.parse_args().date)
