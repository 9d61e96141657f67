"""The simple rules a ranker has to beat, as ranked lists: user_key, item_id, rank (1 is best)."""

import polars as pl

DEPTH = 50


def ranked(scores: pl.DataFrame, depth: int = DEPTH) -> pl.DataFrame:
    """The best `depth` items of each user by `score`; ties by item_id, so that the order is always the same."""
    return (
        scores.sort("user_key", "score", "item_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_key"))
        .filter(pl.col("rank") <= depth)
        .select("user_key", "item_id", "rank", "score")
    )


def popularity(users: pl.Series, item: pl.DataFrame, bought: pl.DataFrame | None = None, depth: int = DEPTH) -> pl.DataFrame:
    """The items with most purchases so far, the same for all `users`, less what `bought` names."""
    most = item.sort("purchases", "item_id", descending=[True, False]).select("item_id", score="purchases")
    most = most.head(2000 if bought is not None else depth)
    pairs = pl.DataFrame({"user_key": users.unique().sort()}).join(most, how="cross")
    return ranked(pairs if bought is None else pairs.join(bought, on=["user_key", "item_id"], how="anti"), depth)


def buy_again(user_item: pl.DataFrame, by: str) -> pl.DataFrame:
    """What the user bought, by `decayed_days` (recency-weighted frequency) or `decayed_visits` (decay per store visit)."""
    return ranked(user_item.select("user_key", "item_id", score=by))


def als(candidates: pl.DataFrame) -> pl.DataFrame:
    """The ALS candidates as they are: items new to the user."""
    return candidates.select("user_key", "item_id", "rank", "score")


def all_items(tables: dict[str, pl.DataFrame], als_candidates: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The baselines for all items, by name."""
    return {
        "popularity": popularity(tables["user"]["user_key"], tables["item"]),
        "buy_again_recency": buy_again(tables["user_item"], "decayed_days"),
        "buy_again_visits": buy_again(tables["user_item"], "decayed_visits"),
        "als": als(als_candidates),
    }


def new_items(tables: dict[str, pl.DataFrame], als_candidates: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The baselines for items new to the user, by name."""
    bought = tables["user_item"].select("user_key", "item_id")
    return {"popularity": popularity(tables["user"]["user_key"], tables["item"], bought), "als": als(als_candidates)}
