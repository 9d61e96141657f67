"""Ask the champion why it recommends what it recommends.

    python -m serving_export.lists.explain --date 2017-11-30

Reads what `serving_export.lists.score` reads, and its `scores`. Writes `explanations`, one row for each user and listed item:
what each group of features adds to the score, and which items of the user's history moved it. A champion that cannot
explain itself leaves none, and the lists then get their reasons by rule (`serving_export.lists.reasons`).
"""

import argparse
import time
from collections.abc import Iterator
from datetime import date

import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from serving_export.lists.score import USERS_PER_BATCH, Ranker, batches, load_version
from serving_export.rerank.reranker import Reranker

log = structlog.get_logger()


def explain(day: date, ranker: Ranker | None = None, users_per_batch: int = USERS_PER_BATCH) -> None:
    """Write the explanations of a date's recommendations; `ranker` is the version that scored them unless given.

    Raises:
        cartwheel.lake.MissingPartitionError: the date has not been scored.
    """
    ranker = ranker or load_version(scored_by(day))
    lake.delete("explanations", day)
    if not hasattr(ranker, "explain"):
        log.warning("this version of the ranker cannot explain itself: reasons go by rule", date=str(day))
        return
    started = time.monotonic()
    pairs = lake.write_batches("explanations", day, _explained(day, ranker, users_per_batch))
    log.info("explained", date=str(day), pairs=pairs, seconds=round(time.monotonic() - started))


def _explained(day: date, ranker: Ranker, users_per_batch: int) -> Iterator[pa.Table]:
    reranker = Reranker(day, pl.DataFrame(lake.read("items", day)))
    for tables, also in batches(day, users_per_batch, {"scores": "scores"}):
        bought, categories = (pl.DataFrame(tables[name]) for name in ("user_item", "user_category"))
        wanted = reranker.lists(also["scores"], bought, categories).select("user_key", "item_id").unique()
        explanations = ranker.explain(wanted.to_arrow(), **tables).select(LAKE_SCHEMAS["explanations"].names)
        yield explanations.sort_by([("user_key", "ascending"), ("item_id", "ascending")])


def scored_by(day: date) -> str:
    """The version of the model that scored a date."""
    return next(lake.batches("scores", day, ["model_version"], rows=1))["model_version"][0].as_py()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    explain(parser.parse_args().date)
