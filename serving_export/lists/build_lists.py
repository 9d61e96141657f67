"""Turn the scores of a date into the release's lists, each with its reasons.

    python -m serving_export.lists.build_lists --date 2017-11-30

Reads scores and, where the champion gave them, explanations; items, users, features/*, candidates/union of the date, and what
`serving_export.rerank` needs; the experiments that run when the release is served. Writes `release` and `release_segments`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from datetime import date

import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS, parse_partition_key
from cartwheel.settings import get_settings
from cartwheel.user_batches import user_batches
from serving_export.lists.explained_reasons import LIKE_OTHERS, PAIR, Facts, add_explained_reasons
from serving_export.lists.popular import Popularity
from serving_export.lists.reasons import add_reasons, popular_in
from serving_export.rerank.reranker import Reranker
from serving_export.rerank.rules import PINNED, Rules

log = structlog.get_logger()

USERS_PER_BATCH = 5000
PICKED = "Picked by the shop"  # reason of a pinned item that the ranker did not score


def build_lists(day: date) -> None:
    """Write the release of a date to the lake, some users at a time.

    Raises:
        cartwheel.lake.MissingPartitionError: the scores or features of that date are missing.
    """
    items, sales, rows_by_list = *(pl.DataFrame(lake.read(name, day)) for name in ("items", "features/item")), Counter[str]()
    reranker = Reranker(day, items, with_effects=True)
    rows = lake.write_batches("release", day, _lists(day, items, sales, reranker, rows_by_list))
    segments = popular_lists(day, items, reranker.rules)
    lake.write("release_segments", day, segments.to_arrow())
    log.info(
        "lists built", date=str(day), rows=rows, rows_by_list=dict(rows_by_list), segments=segments["segment"].n_unique()
    )  # fmt: skip


def _lists(
    day: date, items: pl.DataFrame, sales: pl.DataFrame, reranker: Reranker, rows_by_list: Counter[str]
) -> Iterator[pa.Table]:
    """The lists of all users with their reasons: from the explanations of the date's champion, by rule if it gave none."""
    datasets = {name: name for name in ("scores", "features/user_item", "features/user_category", "candidates/union")}
    explained = lake.exists("explanations", day)
    if explained:
        datasets["explanations"] = "explanations"
    else:
        log.info("reasons by rule: the champion gave no explanations", date=str(day))
    for _, own in user_batches(datasets, day, "scores", USERS_PER_BATCH):
        bought = own["features/user_item"]
        lists = reranker.lists(own["scores"], bought, own["features/user_category"])
        facts = Facts(bought, items, sales, own["candidates/union"].select(*PAIR, *LIKE_OTHERS, "content_rank"))
        lists = with_reasons(lists, facts, own.get("explanations"))
        rows_by_list.update(dict(lists.group_by("list").len().iter_rows()))
        yield lists.to_arrow()
    reranker.log_effects()


def with_reasons(lists: pl.DataFrame, facts: Facts, explanations: pl.DataFrame | None) -> pl.DataFrame:
    """The lists as the lake's `release` holds them, with their reasons: by rule if there are no explanations."""
    lists = add_reasons(lists, facts.user_item, facts.items) if explanations is None else _explained(lists, explanations, facts)
    lists = lists.with_columns(reason=pl.when(source=PINNED).then(pl.lit(PICKED)).otherwise("reason"))
    return lists.select(LAKE_SCHEMAS["release"].names)


def _explained(lists: pl.DataFrame, explanations: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """The lists with `reason`, by rule for the users of a version that explained nothing."""
    told = pl.col("user_key").is_in(explanations["user_key"].implode())
    explained = add_explained_reasons(lists.filter(told), explanations, facts)
    by_rule = add_reasons(lists.filter(~told), facts.user_item, facts.items)
    return pl.concat([explained.select(by_rule.columns), by_rule]).sort("user_key", "list", "rank")


def popular_lists(day: date, items: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """The popular list of each segment, with its reasons."""
    popularity, datasets = Popularity(), {"bought": "features/user_item", "users": "users"}
    for _, own in user_batches(datasets, day, "bought", USERS_PER_BATCH):
        popularity.add(own["bought"], own["users"])
    return (
        popularity.lists(items, get_settings().list_size, rules)
        .join(items.select("item_id", "department"), on="item_id", how="left", maintain_order="left")
        .with_columns(reason=popular_in(pl.col("department")))
        .drop("department")
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    build_lists(parser.parse_args().date)
