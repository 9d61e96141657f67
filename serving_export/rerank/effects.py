"""What re-ranking does to the lists: for the log of `build_lists` and for `benchmarks.rerank`."""

import numpy as np
import polars as pl

from serving_export.rerank.facts import Facts
from serving_export.rerank.greedy import SMOOTHING

MEASURES = ["diversity", "novelty", "divergence"]


class Effects:
    """Collects what re-ranking changes, some users at a time."""

    def __init__(self, items: pl.DataFrame, size: int) -> None:
        """`items` is the lake's: item_id, category. size: items in a list."""
        self.items, self.size = items, size
        self.sums: list[pl.DataFrame] = []  # list, figure, sum, count

    def add(self, lists: pl.DataFrame, before: pl.DataFrame, facts: Facts) -> None:
        """Lists of some users that `make_lists` made with and without weights and rules."""
        both = lists.join(before, on=["user_key", "list", "rank"], how="left", suffix="_before")
        changed = pl.col("item_id").ne_missing(pl.col("item_id_before")).cast(pl.Float64)
        tables = [both.select("list", places_changed=changed)]
        for suffix, of in (("_before", before), ("", lists)):
            tables.append(measures(of, facts, self.items, self.size).select("list", pl.col(MEASURES).name.suffix(suffix)))
        for table in tables:
            figures = table.unpivot(index="list", variable_name="figure").drop_nulls()
            self.sums.append(figures.group_by("list", "figure").agg(pl.col("value").sum().alias("sum"), count=pl.len()))

    def figures(self) -> dict[str, dict[str, float]]:
        """By list: `places_changed`, the share of places that hold another item, and each measure before and now."""
        if not self.sums:
            return {}
        means = pl.concat(self.sums).group_by("list", "figure").agg(mean=pl.col("sum").sum() / pl.col("count").sum())
        found: dict[str, dict[str, float]] = {}
        for name, figure, mean in means.sort("list", "figure").iter_rows():
            found.setdefault(name, {})[figure] = round(mean, 4)
        return found


def measures(lists: pl.DataFrame, facts: Facts, items: pl.DataFrame, k: int) -> pl.DataFrame:
    """Of the first k places of each user's lists: user_key, list, diversity, novelty, divergence.

    - diversity: one less the mean similarity of two items, which is that of `greedy` (null for a single item);
    - novelty: the items' mean novelty, from 0 to 1;
    - divergence: Kullback–Leibler, in nats, of the list's mix of categories from the user's own: 0 is calibrated (null for a
      user without purchases of a known category).
    """
    top = (
        lists.filter(pl.col("rank") <= k)
        .join(items.select("item_id", "category"), on="item_id", how="left")
        .join(facts.items, on="item_id", how="left")
        .with_columns(pl.col("novelty", "vector").fill_null(0))
        .sort("user_key", "list", "rank")
    )
    novelty = top.group_by("user_key", "list", maintain_order=True).agg(pl.col("novelty").mean())
    return novelty.with_columns(diversity=_diversity(top, facts.vectors, k)).join(
        _divergence(top, facts.taste), on=["user_key", "list"], how="left", maintain_order="left"
    )


def _diversity(top: pl.DataFrame, vectors: np.ndarray, k: int) -> pl.Series:
    """One value per user and list of rows sorted by them."""
    numbered = top.with_columns(code=pl.col("category").rank("dense").cast(pl.Int64).fill_null(0))
    of_list = numbered.select(pl.struct("user_key", "list").rle_id()).to_series().to_numpy()
    place = numbered["rank"].to_numpy() - 1
    shape = (int(of_list.max()) + 1 if len(of_list) else 0, k)
    vector, category, there = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    vector[of_list, place], category[of_list, place], there[of_list, place] = numbered["vector"], numbered["code"], True
    similarity = np.zeros(shape[0])
    for one in range(k):
        for other in range(one):
            alike = (category[:, one] == category[:, other]) & (category[:, one] > 0)
            cosine = (vectors[vector[:, one]] * vectors[vector[:, other]]).sum(axis=1).clip(min=0)
            similarity += there[:, one] * (alike + cosine) / 2
    pairs = there.sum(axis=1) * (there.sum(axis=1) - 1) / 2
    return 1 - pl.Series(np.divide(similarity, pairs, out=np.full(shape[0], np.nan), where=pairs > 0)).fill_nan(None)


def _divergence(top: pl.DataFrame, taste: pl.DataFrame) -> pl.DataFrame:
    """user_key, list, divergence (Steck 2018, equations 6 and 7)."""
    mix = top.drop_nulls("category").group_by("user_key", "list", "category").agg(items=pl.len())
    mix = mix.with_columns(listed=pl.col("items") / pl.col("items").sum().over("user_key", "list"))
    own = mix.select("user_key", "list").unique().join(taste, on="user_key")
    share = pl.col("share").cast(pl.Float64)
    near = (1 - SMOOTHING) * pl.col("listed").fill_null(0.0) + SMOOTHING * share
    return (
        own.join(mix, on=["user_key", "list", "category"], how="left")
        .group_by("user_key", "list")
        .agg(divergence=(share * (share / near).log()).sum())
    )
