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
from serving_export.experiments.treatments import read_treatments
from serving_export.lists.build_lists import with_reasons
from serving_export.lists.explain import explanations_of, that_explain
from serving_export.lists.explained_reasons import LIKE_OTHERS, PAIR, Facts
from serving_export.lists.score import PER_ITEM, USERS_PER_BATCH, scores_of
from serving_export.lists.versions import Ranker, load_for_experiments, load_version
from serving_export.refresh import few_users, item_facts
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
    maker = _Maker(build, ranker)
    users, done, started = purchases.select("user_key").unique().sort("user_key"), 0, time.monotonic()
    for batch in users.iter_slices(USERS_PER_BATCH):
        tables = few_users.read(batch["user_key"]) | maker.shared
        if len(tables["candidates"]):
            yield maker.lists(with_purchases(tables, purchases))
        done += len(batch)
        log.info("users done", users=f"{done}/{len(users)}", users_per_s=round(done / (time.monotonic() - started)))


def candidates_of(users: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """What the lists of users (user_key) are chosen from: rows of candidates/union, some users at a time."""
    for batch in users.sort("user_key").iter_slices(USERS_PER_BATCH):
        yield few_users.read(batch["user_key"], ["candidates"])["candidates"]


class _Maker:
    """What all users share, read once: the models, the items and the re-ranker."""

    def __init__(self, build: Build, ranker: Ranker | None) -> None:
        day, self.champion = build.partition_date, build.model_version
        self.treatments = read_treatments(day)
        self.rankers = load_for_experiments(self.treatments) | {self.champion: ranker or load_version(self.champion)}
        self.shared = {name: pl.DataFrame(lake.read(dataset, day)) for name, dataset in PER_ITEM.items()}
        self.reranker = Reranker(day, self.shared["items"], item_facts.kept(few_users.FOLDER))

    def lists(self, tables: dict[str, pl.DataFrame]) -> pa.Table:
        """The lists of the users of some tables, by the steps of `score`, `explain` and `build_lists`."""
        given = {name: table.to_arrow() for name, table in tables.items()}
        scores = scores_of(self.rankers, given, self.treatments, self.champion)
        lists = self.reranker.lists(scores, tables["user_item"], tables["user_category"])
        able = that_explain(self.rankers)
        explanations = pl.DataFrame(explanations_of(able, lists, given, self.treatments, self.champion)) if able else None
        sources = tables["candidates"].select(*PAIR, *LIKE_OTHERS, "content_rank")
        facts = Facts(tables["user_item"], tables["items"], tables["item"], sources)
        return with_reasons(lists, facts, explanations).to_arrow()
