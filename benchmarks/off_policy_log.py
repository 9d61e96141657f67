"""A log with propensities whose answer is known: a replayed shopfront that puts some users' lists in any order.

With the chance `shuffled` a user's list is shown in an order drawn evenly from all, else as it is, so an item comes to its own
rank with the chance 1 − shuffled + shuffled / places, and to any other with shuffled / places.
"""

from datetime import date

import numpy as np
import polars as pl

from cartwheel.demo.shopfront import Shopfront, replay
from serving_export.experiments.off_policy import Log

SHUFFLED = 0.5
DAY = date(2017, 12, 1)


def shuffled_log(
    lists: pl.DataFrame, purchases: pl.DataFrame, new: pl.DataFrame, shopfront: Shopfront, seed: int, shuffled: float = SHUFFLED
) -> Log:
    """One request a user, clicks as rewards, and the guesses of a model that has learned from another day's log.

    Args:
        lists: user_key, item_id, rank from 1; lists of one size.
        purchases: user_key, item_id of what the users buy next.
        new: the same users' and items' ranks in the new ranking.
    """
    shown = _show(lists, purchases, shopfront, (seed, 0), shuffled)
    places = int(lists["rank"].max())  # type: ignore[arg-type]
    by_chance = pl.lit(shuffled / places)
    shown = shown.join(new.select("user_key", "item_id", new_rank="rank"), on=["user_key", "item_id"], maintain_order="left")
    attraction = _attraction(_show(lists, purchases, shopfront, (seed, 1), shuffled), shopfront)
    shown = shown.join(attraction, on="item_id", how="left", maintain_order="left").select(
        "clicked",
        user=pl.col("user_key").rle_id(),
        propensity=by_chance + pl.when(pl.col("rank") == pl.col("own_rank")).then(1 - shuffled).otherwise(0.0),
        target=(pl.col("rank") == pl.col("new_rank")).cast(pl.Float64),
        predicted=pl.col("attraction") * _examined("rank", shopfront),
        at_new_rank=pl.col("attraction") * _examined("new_rank", shopfront),
    )
    user = shown["user"].to_numpy().astype(np.int64)
    return Log(
        user,
        user,
        shown["clicked"].to_numpy().astype(float),
        shown["propensity"].to_numpy(),
        shown["target"].to_numpy(),
        places,
        shown["predicted"].to_numpy(),
        np.bincount(user, shown["at_new_rank"].to_numpy()),
    )


def _show(
    lists: pl.DataFrame, purchases: pl.DataFrame, shopfront: Shopfront, seed: tuple[int, int], shuffled: float
) -> pl.DataFrame:
    """user_key, item_id, rank, own_rank, clicked; in the order of users and ranks."""
    random = np.random.default_rng(seed)
    lists = lists.sort("user_key", "rank").with_columns(own_rank="rank")
    user = lists["user_key"].rle_id().to_numpy()
    drawn = np.where((random.random(user.max() + 1) < shuffled)[user], random.random(len(user)), lists["rank"].to_numpy() / 1e6)
    shown = lists.with_columns(rank=pl.Series(drawn)).with_columns(pl.col("rank").rank("ordinal").over("user_key").cast(pl.Int64))
    events, _ = replay(shown.drop("own_rank"), purchases, DAY, shopfront, int(random.integers(2**31)))
    clicked = events.filter(pl.col("event_type") == "click").select(user_key="user_id", item_id="item_id", clicked=pl.lit(True))
    shown = shown.join(clicked, on=["user_key", "item_id"], how="left").with_columns(pl.col("clicked").fill_null(False))
    return shown.sort("user_key", "rank")


def _attraction(shown: pl.DataFrame, shopfront: Shopfront) -> pl.DataFrame:
    """item_id, attraction: clicks over expected looks, drawn to the mean of all items by ten looks."""
    looks = pl.col("looks").sum()
    shown = shown.with_columns(looks=_examined("rank", shopfront))
    mean = shown.select(pl.col("clicked").sum() / looks).item()
    return shown.group_by("item_id").agg(attraction=(pl.col("clicked").sum() + 10 * mean) / (looks + 10))


def _examined(rank: str, shopfront: Shopfront) -> pl.Expr:
    return pl.col(rank).cast(pl.Float64) ** -shopfront.examination_decay
