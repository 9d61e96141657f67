"""The best items of every user that are new to the user, computed in Spark's tasks from blocks of users.

Two ways to score: products of factors (`best_by_factors`), and sparse scores (`best_by_scores`). Both give each task a few
blocks of users, and need no shuffle and no pair of user and item that is not scored.

From factors, the exact answer without all the products: with the items in the order of the length of their vectors, the
product of the lengths bounds every score to come, so a user is done when not even that reaches the user's worst kept score
(Teflioudi, Gemulla, Mykytiuk: LEMP, SIGMOD 2015). Items are taken in chunks whose scores fit into the processor's cache.
"""

import gc
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import coo_matrix, csr_matrix

from spark_jobs.matrix import Matrix

SCORED = "user_key string, item_id string, rank int, score float"
USERS_PER_BLOCK = 256
ITEMS_PER_CHUNK = 2048
KEPT_PER_UPDATE = 4  # the best are updated when a quarter as many may join them
SMALLEST_SCORE = np.float32(1e-30)  # a score of zero or less says that nothing is expected
LAST = np.int64(0x7FFFFFFF)


def best_by_factors(spark: SparkSession, matrix: Matrix, users: np.ndarray, items: np.ndarray, size: int) -> DataFrame:
    """The `size` highest products above zero of each user's factors with those of items that the matrix does not hold for it.

    `users` is of shape (users, factors) and `items` (items, factors), in the order of the matrix. Equal scores stand in the
    order of the items.
    """
    lengths = np.linalg.norm(items, axis=1)
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.int32)
    by_length = np.ascontiguousarray(items[order], np.float32), lengths[order], order
    bought = matrix.weights
    # Column indices by the place in the order of lengths, so that a chunk's bought items are a range.
    moved = csr_matrix((np.ones(bought.nnz, np.bool_), place[bought.indices], bought.indptr), bought.shape)
    moved.sort_indices()
    shared = spark.sparkContext.broadcast((np.ascontiguousarray(users, np.float32), by_length, moved))

    def best(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        users, (items, lengths, order), bought = shared.value
        return _best_products(users[block], items, lengths, order, bought[block], size)

    return _by_block(spark, matrix, best)


def best_by_scores(spark: SparkSession, matrix: Matrix, score: Callable[[slice], csr_matrix], size: int) -> DataFrame:
    """The `size` highest scores above zero of each user, among the items that the matrix does not hold for the user.

    `score` takes a block of users, as a slice of the matrix's rows, and returns the sparse matrix (users, items) of their
    scores; it runs in Spark's tasks. Equal scores stand in the order of the items.
    """
    shared = spark.sparkContext.broadcast(matrix.weights)

    def best(block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _best_entries(csr_matrix(score(block)), shared.value[block], size)

    return _by_block(spark, matrix, best)


def _by_block(
    spark: SparkSession, matrix: Matrix, best: Callable[[slice], tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> DataFrame:
    """A frame of what `best` finds for every block: rows of the block, columns of the matrix, scores; best first in each row."""
    ids = spark.sparkContext.broadcast((matrix.users, pa.array(matrix.items)))
    total = len(matrix.users)

    def recommend(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        gc.freeze()  # Spark's worker collects garbage after every task
        users, items = ids.value
        for start in (start for batch in batches for start in batch["id"].to_pylist()):
            block = slice(start, min(start + USERS_PER_BLOCK, total))
            rows, columns, scores = best(block)
            counts = np.bincount(rows, minlength=block.stop - block.start)
            ranks = np.arange(1, len(rows) + 1) - np.repeat(np.cumsum(counts) - counts, counts)
            arrays = [pa.array(users[block]).take(pa.array(rows)), items.take(pa.array(columns))]
            arrays += [pa.array(ranks.astype(np.int32)), pa.array(scores)]
            yield pa.RecordBatch.from_arrays(arrays, names=["user_key", "item_id", "rank", "score"])

    slices = max(1, min(4 * spark.sparkContext.defaultParallelism, -(-total // USERS_PER_BLOCK)))
    return spark.range(0, total, USERS_PER_BLOCK, slices).mapInArrow(recommend, SCORED)


def _best_products(
    users: np.ndarray, items: np.ndarray, lengths: np.ndarray, order: np.ndarray, bought: csr_matrix, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores of the best products of a block of users, with items in the order of falling lengths."""
    best = np.zeros((len(users), size), np.int64)
    active = np.arange(len(users))  # the rows that may still find something better
    reach = np.linalg.norm(users, axis=1) * np.float32(1.0001)  # above any rounding of the product
    worst = np.full(len(users), SMALLEST_SCORE)
    scores = np.empty(len(users) * ITEMS_PER_CHUNK, np.float32)
    bought_rows, bought_columns = np.repeat(active, np.diff(bought.indptr)), bought.indices
    found: list[tuple[np.ndarray, np.ndarray]] = []
    start, step = 0, min(ITEMS_PER_CHUNK, max(256, 4 * size))  # a small first chunk finds where to begin
    while start < len(items):
        active = active[reach[active] * lengths[start] >= worst[active]]
        if not len(active):
            break
        stop = min(start + step, len(items))
        chunk = scores[: len(active) * (stop - start)].reshape(len(active), -1)
        np.matmul(users[active] if len(active) < len(users) else users, items[start:stop].T, out=chunk)
        here = (bought_columns >= start) & (bought_columns < stop)
        position = np.full(len(users), -1)
        position[active] = np.arange(len(active))
        rows = position[bought_rows[here]]
        chunk[rows[rows >= 0], bought_columns[here][rows >= 0] - start] = 0
        hits = _places_of((chunk >= worst[active, None]).reshape(-1))
        rows, columns = np.divmod(hits, stop - start)
        found.append((active[rows], _keys(chunk.reshape(-1)[hits], order[start + columns])))
        if sum(len(rows) for rows, _ in found) > best.size // KEPT_PER_UPDATE:
            _keep(best, *map(np.concatenate, zip(*found, strict=True)))
            worst = _scores_of(best.min(axis=1)).clip(SMALLEST_SCORE)
            found.clear()
        start, step = stop, min(ITEMS_PER_CHUNK, stop)
    if found:
        _keep(best, *map(np.concatenate, zip(*found, strict=True)))
    best.sort(axis=1)
    rows, columns = np.nonzero(best[:, ::-1])
    keys = best[rows, size - 1 - columns]
    return rows, (LAST - (keys & LAST)).astype(np.int32), _scores_of(keys)


def _keys(scores: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Integers in the order of positive scores, and among equal scores of falling items: the bits of a positive float ascend."""
    return (scores.view(np.int32).astype(np.int64) << 32) | (LAST - items)


def _scores_of(keys: np.ndarray) -> np.ndarray:
    return (keys >> 32).astype(np.int32).view(np.float32)


def _places_of(mask: np.ndarray) -> np.ndarray:
    """The places of a mask's few true values: eight are looked at as one number."""
    if len(mask) % 8:
        return np.flatnonzero(mask)
    words = np.flatnonzero(mask.view(np.uint64) != 0)
    places = (words[:, None] * 8 + np.arange(8)).reshape(-1)
    return places[mask[places]]


def _keep(best: np.ndarray, rows: np.ndarray, keys: np.ndarray) -> None:
    """Put keys among the best of their rows."""
    order = np.argsort(rows, kind="stable")
    rows, keys = rows[order], keys[order]
    counts = np.bincount(rows, minlength=len(best))
    size = best.shape[1]
    pool = np.zeros((len(best), size + counts.max(initial=0)), np.int64)
    pool[:, :size] = best
    pool[rows, size + np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]] = keys
    best[:] = np.partition(pool, -size, axis=1)[:, -size:]


def _best_entries(scores: csr_matrix, bought: csr_matrix, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and scores of the best entries of sparse scores, without those of `bought`."""
    width, entries = np.int64(scores.shape[1]), _large_enough(scores, size + np.diff(bought.indptr))
    rows, columns, values = entries.row.astype(np.int64), entries.col, entries.data
    bought_rows = np.repeat(np.arange(bought.shape[0], dtype=np.int64), np.diff(bought.indptr))
    kept = (values > 0) & ~np.isin(rows * width + columns, bought_rows * width + bought.indices)
    rows, columns, values = rows[kept], columns[kept], values[kept]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    counts = np.bincount(rows, minlength=scores.shape[0])
    among = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) < size
    return rows[among], columns[among].astype(np.int32), values[among]


def _large_enough(scores: csr_matrix, most: np.ndarray) -> coo_matrix:
    """The entries that can be among the first `most` of their row: a threshold is found far more quickly than an order."""
    data, kept = scores.data.astype(np.float32), np.ones(scores.nnz, np.bool_)
    for row in np.flatnonzero(np.diff(scores.indptr) > most):
        entries = slice(scores.indptr[row], scores.indptr[row + 1])
        kept[entries] = data[entries] >= np.partition(data[entries], -most[row])[-most[row]]
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    return coo_matrix((data[kept], (rows[kept], scores.indices[kept])), scores.shape)
