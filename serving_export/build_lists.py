"""Turn the scores of a date into the release's lists, each with its reasons.

    python -m serving_export.build_lists --date 2017-11-30

Reads scores and, where the champion gave them, explanations; items, users, features/user_item, features/item and
candidates/union of the date. Writes `release` and `release_segments`.
"""

import argparse
from datetime import date

import polars as pl
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from cartwheel.settings import get_settings
from serving_export.explained_reasons import LIKE_OTHERS, Facts, add_explained_reasons
from serving_export.reasons import add_reasons, popular_in
from serving_export.rerank import make_lists
from serving_export.segments import segment_lists

log = structlog.get_logger()


def build_lists(day: date) -> None:
    """Write the release of a date to the lake.

    Raises:
        cartwheel.lake.MissingPartitionError: the scores or features of that date are missing.
    """
    items, users, user_item = (pl.DataFrame(lake.read(dataset, day)) for dataset in ("items", "users", "features/user_item"))
    release = _with_reasons(day, lists_of(day), user_item, items).select(LAKE_SCHEMAS["release"].names)
    segments = segment_lists(user_item, users, items, get_settings().list_size)
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


def lists_of(day: date) -> pl.DataFrame:
    """The lists of a date, from its scores: see `make_lists`.

    Raises:
        cartwheel.lake.MissingPartitionError: the date has not been scored.
    """
    settings, scores, items = get_settings(), pl.DataFrame(lake.read("scores", day)), pl.DataFrame(lake.read("items", day))
    return make_lists(scores, items, settings.list_size, settings.diversity_weight)


def _with_reasons(day: date, lists: pl.DataFrame, user_item: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Reasons from the explanations of the date's champion; by rule if it gave none."""
    if not lake.exists("explanations", day):
        log.info("reasons by rule: the champion gave no explanations", date=str(day))
        return add_reasons(lists, user_item, items)
    explanations, sales = (pl.DataFrame(lake.read(dataset, day)) for dataset in ("explanations", "features/item"))
    ranks = pl.DataFrame(lake.read("candidates/union", day, columns=["user_key", "item_id", *LIKE_OTHERS, "content_rank"]))
    explained = add_explained_reasons(lists, explanations, Facts(user_item, items, sales, ranks))
    log.info(
        "reasons explained", date=str(day), rows=dict(explained["group"].value_counts(sort=True).iter_rows()),
        share_of_the_models_first_group=round((explained["group"] == explained["top_group"]).sum() / max(len(explained), 1), 3),
    )  # fmt: skip
    return explained


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    build_lists(parser.parse_args().date)
