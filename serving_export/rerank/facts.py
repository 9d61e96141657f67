"""What re-ranking knows of a date's users and items, all of it from that date or before.

Reads features/item and, for the vectors, features/user and features/user_item of the date.
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from cartwheel import lake
from cartwheel.user_sample import user_sample
from serving_export.rerank.vectors import USERS, item_vectors

OF_ITEM = {"item_id": pl.String, "novelty": pl.Float64, "vector": pl.Int64}
OF_TASTE = {"user_key": pl.String, "category": pl.String, "share": pl.Float32}
OF_REPEATS = {"user_key": pl.String, "list": pl.String, "item_id": pl.String, "repeats": pl.Float64}


@dataclass(frozen=True)
class Facts:
    """Frames with the columns of `OF_ITEM`, `OF_TASTE` and `OF_REPEATS`, each of numbers from 0 to 1.

    `vector` is the item's row of `vectors` [items + 1, width], each of length one; row 0 is zero, for items without one.
    What is not known of an item is 0, so that no weight moves it.
    """

    items: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OF_ITEM))
    taste: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OF_TASTE))
    repeats: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OF_REPEATS))
    vectors: np.ndarray = field(default_factory=lambda: np.zeros((1, 1), np.float32))

    def about(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Candidates (user_key, item_id, category) with `novelty` and `vector` of the item and the category's `share`."""
        return (
            rows.join(self.items, on="item_id", how="left")
            .join(self.taste, on=["user_key", "category"], how="left")
            .with_columns(pl.col("novelty", "vector", "share").fill_null(0))
        )

    def with_repeats(self, rows: pl.DataFrame, list_name: str) -> pl.DataFrame:
        """Candidates of a list, in their order, with `repeats`."""
        repeats = self.repeats.filter(list=list_name).drop("list")
        joined = rows.join(repeats, on=["user_key", "item_id"], how="left", maintain_order="left")
        return joined.with_columns(pl.col("repeats").fill_null(0.0))


def read_items(day: date, with_vectors: bool) -> Facts:
    """The facts of a date that all users share: of items. Vectors only where they are asked for.

    Raises:
        cartwheel.lake.MissingPartitionError: features of that date are missing.
    """
    items = novelty(pl.DataFrame(lake.read("features/item", day, columns=["item_id", "purchases"])))
    if not with_vectors:
        return Facts(items.with_columns(vector=pl.lit(0, pl.Int64)))
    users = user_sample(day, USERS)
    tables = lake.batches("features/user_item", day, ["user_key", "item_id"])
    # Arrow copies what it keeps; rows that polars keeps would hold all of the text around them.
    sampled = pa.concat_tables(table.filter(pc.is_in(table["user_key"], users)) for table in tables)
    known, vectors = item_vectors(pl.DataFrame(sampled))
    places = pl.DataFrame({"item_id": known, "vector": np.arange(1, len(known) + 1)})
    return Facts(items.join(places, on="item_id", how="left").with_columns(pl.col("vector").fill_null(0)), vectors=vectors)


def novelty(item: pl.DataFrame) -> pl.DataFrame:
    """How little known each item is (item_id, novelty): -log2 of its share of all purchases, 1 for a single purchase.

    Self-information of popularity: Vargas, Castells, "Rank and relevance in novelty and diversity metrics" (RecSys 2011).
    """
    purchases = pl.col("purchases").cast(pl.Float64).clip(lower_bound=1)
    bits, most = (purchases.sum() / purchases).log(2), purchases.sum().log(2)
    return item.select("item_id", novelty=pl.when(most > 0).then(bits / most).otherwise(0.0))


def taste(bought: pl.DataFrame) -> pl.DataFrame:
    """Each category's share of a user's purchases (user_key, category, share), from features/user_category."""
    purchases = pl.col("purchases").cast(pl.Float64)
    share = (purchases / purchases.sum().over("user_key")).cast(pl.Float32)
    return bought.drop_nulls("category").select("user_key", "category", share=share)
