"""The champion's tables of a date, as they stand after purchases that came later.

What the encoder sees is exact: the history with the new purchases at its end. Of the features, those change that say how
long ago a user bought an item, to "just now"; counts, gaps and everything else stay those of the date until the next day's
run builds them.
"""

import polars as pl

SINCE_LAST = ("recency_days", "visits_since", "dueness", "visit_dueness", "usual_dueness")


def with_purchases(tables: dict[str, pl.DataFrame], purchases: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables (`serving_export.lists.score.PER_USER` and `PER_ITEM`) with later purchases.

    Args:
        purchases: user_key, item_id, event_ts, session_id. Those of users without a history are left out.
    """
    bought = (
        purchases.group_by("user_key", "session_id", "item_id")
        .agg(pl.col("event_ts").min())
        .join(tables["sequences"], on="user_key", how="semi")
        .sort("user_key", "event_ts", "item_id")
    )
    return tables | {
        "sequences": _longer(tables["sequences"], bought),
        "user_item": _just_bought(tables["user_item"], bought, tables["item"]),
    }


def _longer(sequences: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    later = bought.group_by("user_key", maintain_order=True).agg(
        pl.col("item_id").alias("later_items"), pl.col("event_ts").alias("later_ts"), pl.col("session_id").alias("later_sessions")
    )
    pairs = {"item_ids": "later_items", "event_ts": "later_ts", "session_ids": "later_sessions"}
    joined = sequences.join(later, on="user_key", how="left", maintain_order="left")
    longer = {
        name: pl.when(pl.col(new).is_null()).then(name).otherwise(pl.concat_list(name, pl.col(new).cast(sequences.schema[name])))
        for name, new in pairs.items()
    }
    return joined.with_columns(**longer).select(sequences.columns)


def _just_bought(user_item: pl.DataFrame, bought: pl.DataFrame, item: pl.DataFrame) -> pl.DataFrame:
    """Only items of the catalogue that the features know."""
    new = bought.join(item, on="item_id", how="semi").group_by("user_key", "item_id").agg(again=pl.len())
    counted = pl.col("purchases").fill_null(0) + pl.col("again").fill_null(0)
    since = [pl.when(pl.col("again").is_null()).then(name).otherwise(0).alias(name) for name in SINCE_LAST]
    return (
        user_item.join(new, on=["user_key", "item_id"], how="full", coalesce=True)
        .with_columns(counted.alias("purchases"), *since)
        .select(pl.col(name).cast(kind) for name, kind in user_item.schema.items())
        .sort("user_key", "item_id")
    )
