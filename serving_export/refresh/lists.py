"""New lists of a few users: the champion's, as a day's run would make them, with what the users have bought since.

Reads the tables that `few_users` has cut, features/item, items and what `serving_export.rerank` needs of the served date, and
the version of the model that the release was made with.
"""

import time
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import structlog

from cartwheel import lake
from serving_export.lists.build_lists import with_reasons
from serving_export.lists.explain import can_explain, explanations_of
from serving_export.lists.explained_reasons import LIKE_OTHERS, PAIR, Facts
from serving_export.lists.score import PER_ITEM, USERS_PER_BATCH, Ranker, load_version, scores_of
from serving_export.refresh import few_users
from serving_export.refresh.tables import with_purchases
from serving_export.releases.catalog import Build
from serving_export.rerank.reranker import Reranker

log = structlog.get_logger()


def refreshed_lists(build: Build, purchases: pl.DataFrame, ranker: Ranker | None = None) -> Iterator[pa.Table]:
    """Rows of the lake's `release` for the users with purchases after a build's date, some users at a time, in order.

    Users without candidates on that date have none. `ranker` is the version that made the release unless given.

    Args:
        purchases: the columns of `new_events.PURCHASES`.
    """
    few_users.cut(build)
    shared = {name: pl.DataFrame(lake.read(dataset, build.partition_date)) for name, dataset in PER_ITEM.items()}
    ranker = ranker or load_version(build.model_version)
    reranker = Reranker(build.partition_date, shared["items"])
    users = purchases["user_key"].unique().sort()
    started = time.monotonic()
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        tables = few_users.read(batch) | shared
        if len(tables["candidates"]):
            yield _lists(ranker, reranker, with_purchases(tables, purchases))
        done = start + len(batch)
        log.info("users done", users=f"{done}/{len(users)}", users_per_s=round(done / (time.monotonic() - started)))


def _lists(ranker: Ranker, reranker: Reranker, tables: dict[str, pl.DataFrame]) -> pa.Table:
    given = {name: table.to_arrow() for name, table in tables.items()}
    lists = reranker.lists(scores_of(ranker, given), tables["user_item"], tables["user_category"])
    explanations = pl.DataFrame(explanations_of(ranker, lists, given)) if can_explain(ranker) else None
    sources = tables["candidates"].select(*PAIR, *LIKE_OTHERS, "content_rank")
    facts = Facts(tables["user_item"], tables["items"], tables["item"], sources)
    return with_reasons(lists, facts, explanations).to_arrow()
