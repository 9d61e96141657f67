"""What re-ranking knows of the items (`serving_export.rerank.facts`), kept for the build that is served.

    refresh/item_facts/items.parquet, refresh/item_facts/vectors.npy

The vectors come from a sample of the users, and finding their purchases takes time that grows with all users. `few_users`
does it once for a build, and removes them with its own files.
"""

import io
from datetime import date

import numpy as np
import polars as pl

from cartwheel import lake
from cartwheel.settings import get_settings
from serving_export.rerank.facts import Facts, read_items

ITEMS, VECTORS = "item_facts/items.parquet", "item_facts/vectors.npy"


def keep(day: date, folder: str) -> None:
    """Read the facts of a date and write them into a folder of the lake.

    Raises:
        cartwheel.lake.MissingPartitionError: features of that date are missing.
    """
    facts = read_items(day, with_vectors=True)
    for name, write in ((ITEMS, facts.items.write_parquet), (VECTORS, lambda buffer: np.save(buffer, facts.vectors))):
        buffer = io.BytesIO()
        write(buffer)
        lake.s3_client().put_object(Bucket=get_settings().lake_bucket, Key=folder + name, Body=buffer.getvalue())


def kept(folder: str) -> Facts:
    """The facts that `keep` has written."""
    items, vectors = (io.BytesIO(lake.get_bytes(get_settings().lake_bucket, folder + name)) for name in (ITEMS, VECTORS))
    return Facts(pl.read_parquet(items), vectors=np.load(vectors))
