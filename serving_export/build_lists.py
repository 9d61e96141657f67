"""Turn the scores of a date into the release's lists, each with its reasons.

    python -m serving_export.build_lists --date 2017-11-30

Reads scores, items, users and features/user_item of the date; writes `release` and `release_segments`.
"""

import argparse
from datetime import date

import polars as pl
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from cartwheel.settings import get_settings
from serving_export.reasons import add_reasons, popular_in
from serving_export.rerank import make_lists
from serving_export.segments import segment_lists

log = structlog.get_logger()


def build_lists(day: date) -> None:
    """Write the release of a date to the lake.

    Raises:
        cartwheel.lake.MissingPartitionError: the scores or features of that date are missing.
    """
    settings = get_settings()
    scores, items, users, user_item = (
        pl.DataFrame(lake.read(dataset, day)) for dataset in ("scores", "items", "users", "features/user_item")
    )
    lists = make_lists(scores, items, settings.list_size, settings.diversity_weight)
    release = add_reasons(lists, user_item, items).select(LAKE_SCHEMAS["release"].names)
    segments = segment_lists(user_item, users, items, settings.list_size)
    segments = (
        segments.join(items.select("item_id", "department"), on="item_id", how="left", maintain_order="left")
        .with_columns(reason=popular_in(pl.col("department")))
        .drop("department")
    )
    lake.write("release", day, release.to_arrow())
    lake.write("release_segments", day, segments.to_arrow())
    log.info(
        "lists built", date=str(day), users=release["user_key"].n_unique(), rows=len(release),
        rows_by_list=dict(release.group_by("list").len().sort("list").iter_rows()), segments=segments["segment"].n_unique(),
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    build_lists(parser.parse_args().date)
