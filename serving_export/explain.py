"""Ask the champion why it recommends what it recommends.

    python -m serving_export.explain --date 2017-11-30

Reads what `serving_export.score` reads, and its `scores`. Writes `explanations`, one row for each user and listed item:
what each group of features adds to the score, and which items of the user's history moved it. A champion that cannot
explain itself leaves none, and the lists then get their reasons by rule (`serving_export.reasons`).
"""

import argparse
import time
from datetime import date

import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from serving_export.build_lists import lists_of
from serving_export.score import USERS_PER_BATCH, Ranker, batches, load_version

log = structlog.get_logger()


def explain(day: date, ranker: Ranker | None = None, users_per_batch: int = USERS_PER_BATCH) -> None:
    """Write the explanations of a date's recommendations; `ranker` is the version that scored them unless given.

    Raises:
        cartwheel.lake.MissingPartitionError: the date has not been scored.
    """
    lists = lists_of(day)
    ranker = ranker or load_version(lake.read("scores", day, columns=["model_version"])["model_version"][0].as_py())
    lake.delete("explanations", day)
    if not hasattr(ranker, "explain"):
        log.warning("this version of the ranker cannot explain itself: reasons go by rule", date=str(day))
        return
    pairs, started, parts = lists.select("user_key", "item_id").unique(), time.monotonic(), []
    for batch, tables in batches(day, users_per_batch):
        wanted = pairs.join(batch, on="user_key", how="semi")
        parts.append(ranker.explain(wanted.to_arrow(), **tables).select(LAKE_SCHEMAS["explanations"].names))
        log.info("explaining", date=str(day), pairs=sum(map(len, parts)), of=len(pairs))
    explanations = pa.concat_tables(parts).sort_by([("user_key", "ascending"), ("item_id", "ascending")])
    lake.write("explanations", day, explanations)
    log.info("explained", date=str(day), pairs=len(explanations), seconds=round(time.monotonic() - started))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    explain(parser.parse_args().date)
