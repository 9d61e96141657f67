"""The items most like each item that a release shows, by who buys them.

    python -m serving_export.lists.similar --date 2017-11-30

Reads features/user, features/user_item, release and release_segments of the date; writes `release_similar`. Two items are
alike by the cosine of their columns of BM25 weights of users and items, so that neither a household that buys everything nor
an item that everybody buys is everything's neighbour (Deshpande, Karypis: Item-based top-N recommendation algorithms, TOIS
2004). The purchases say so themselves, whoever the champion is; the candidates of `item_cf` weigh users and items in the same
way. At most `USERS` users' purchases count: enough for cosines, and memory does not grow with the users.
"""

import argparse
from collections.abc import Iterable
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import structlog
from scipy.sparse import csr_matrix, diags

from cartwheel import lake
from cartwheel.contracts import parse_partition_key
from cartwheel.user_sample import user_sample

log = structlog.get_logger()

USERS = 100_000
SIZE = 20
ITEMS_AT_ONCE = 500
K1, B = 1.2, 0.75
AT_LEAST_BUYERS = 2  # of both items, or one household would make any two things alike


def build_similar(day: date) -> None:
    """Write the similar items of a date to the lake.

    Raises:
        cartwheel.lake.MissingPartitionError: the lists or features of that date are missing.
    """
    shown: set[str] = set()
    for dataset in ("release", "release_segments"):
        for rows in lake.batches(dataset, day, ["item_id"]):
            shown.update(rows["item_id"].unique().to_pylist())
    bought = lake.batches("features/user_item", day, ["user_key", "item_id", "purchases"])
    similar = similar_items(bought, user_sample(day, USERS), pa.array(sorted(shown), pa.string()))
    lake.write("release_similar", day, similar.to_arrow())
    log.info("similar items built", date=str(day), items=similar["item_id"].n_unique(), rows=len(similar))


def similar_items(bought: Iterable[pa.Table], users: pa.Array, shown: pa.Array, size: int = SIZE) -> pl.DataFrame:
    """The nearest items of each shown item among the shown ones: item_id, rank (from 1), similar_id, score (the cosine).

    Args:
        bought: user_key, item_id, purchases; one row per user and item, in any order. users: keys of those whose purchases
            count. shown: item ids, sorted. size: neighbours at most.
    """
    counts = _counts(bought, users, shown)
    enough = counts.getnnz(axis=0) >= AT_LEAST_BUYERS
    counts, items = counts[:, enough], pl.Series(shown).filter(enough)
    counts = counts[counts.getnnz(axis=1) > 0]
    vectors = _unit_columns(_bm25(counts)).T.tocsr()
    parts = [_nearest(vectors, start, size) for start in range(0, len(items), ITEMS_AT_ONCE)]
    nothing = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float32))
    rows, ranks, columns, scores = (np.concatenate(part) for part in zip(nothing, *parts, strict=True))
    return pl.DataFrame({"item_id": items.gather(rows), "rank": ranks, "similar_id": items.gather(columns), "score": scores})


def _counts(bought: Iterable[pa.Table], users: pa.Array, items: pa.Array) -> csr_matrix:
    """Purchases [users, items]; of each table only the places of these users and items are kept."""
    kept = pa.concat_tables(
        pa.table(
            {
                "user": pc.index_in(table["user_key"], users),
                "item": pc.index_in(table["item_id"], items),
                "purchases": table["purchases"].cast(pa.float32()),
            }
        ).drop_null()
        for table in bought
    )
    places = kept["user"].to_numpy(), kept["item"].to_numpy()
    return csr_matrix((kept["purchases"].to_numpy(), places), (len(users), len(items)))


def _bm25(counts: csr_matrix) -> csr_matrix:
    """BM25 weights: repeats count less and less, the purchases of heavy buyers less, those of common items less."""
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    buyers = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p(counts.shape[0] / np.maximum(buyers, 1))
    damping = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9)) if len(lengths) else lengths
    weights = counts.copy()
    weights.data = counts.data * (K1 + 1) / (counts.data + np.repeat(damping, np.diff(counts.indptr)))
    return weights @ diags(rarity)


def _unit_columns(weights: csr_matrix) -> csr_matrix:
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0)).ravel())
    return weights @ diags(1 / np.maximum(norms, 1e-12))


def _nearest(vectors: csr_matrix, start: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row, rank, column and cosine of the nearest others of some items; equals go by item."""
    block = vectors[start : start + ITEMS_AT_ONCE]
    cosines = (block @ vectors.T).toarray().astype(np.float32)
    own = np.arange(len(cosines))
    cosines[own, start + own] = 0
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :size]
    values = np.take_along_axis(cosines, best, axis=1)
    kept = values > 0
    rows, places = np.nonzero(kept)
    return start + rows, (places + 1).astype(np.int32), best[kept], values[kept]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=parse_partition_key, required=True)
    build_similar(parser.parse_args().date)
