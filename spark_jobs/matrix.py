"""The user × item matrix that collaborative filtering works on, and the best new items from blocks of scores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import csr_matrix

SCORED = "user_key string, item_id string, rank int, score float"
USERS_PER_BLOCK = 128


@dataclass(frozen=True)
class Matrix:
    """Weights of shape (users, items); the ids of its rows and columns, in the order of the ids."""

    users: np.ndarray
    items: np.ndarray
    weights: csr_matrix


def user_item_matrix(frame: DataFrame) -> Matrix:
    """The matrix of a frame with the columns user_key, item_id and weight, collected to the driver."""
    table = frame.select("user_key", "item_id", "weight").toArrow()
    users, rows = _encode(table["user_key"])
    items, columns = _encode(table["item_id"])
    weights = table["weight"].to_numpy().astype(np.float32)
    matrix = csr_matrix((weights, (rows, columns)), shape=(len(users), len(items)))
    matrix.sort_indices()
    return Matrix(users, items, matrix)


def _encode(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids in order, and for each row the place of its id among them."""
    encoded = column.combine_chunks().dictionary_encode()
    ids = encoded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(ids)
    place = np.empty(len(ids), np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    return ids[order], place[encoded.indices.to_numpy()]


def best_new_items(spark: SparkSession, matrix: Matrix, score: Callable[[slice], np.ndarray], size: int) -> DataFrame:
    """The `size` items with the highest scores above zero for each user, among those the user has not bought.

    `score` takes a block of users, as a slice of the matrix's rows, and returns an array (users, items); it
    runs in Spark's tasks. Equal scores stand in the order of the item ids.
    """
    shared = spark.sparkContext.broadcast(matrix)

    def recommend(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        matrix = shared.value
        for start in (start for batch in batches for start in batch["id"].to_pylist()):
            block = slice(start, min(start + USERS_PER_BLOCK, len(matrix.users)))
            scores = score(block)
            scores[matrix.weights[block].nonzero()] = 0
            places = [top(row, size) for row in scores]
            rows = np.repeat(np.arange(len(places)), [len(row) for row in places])
            columns = np.concatenate(places)
            ranks = np.concatenate([np.arange(1, len(row) + 1, dtype=np.int32) for row in places])
            arrays = [matrix.users[block][rows], matrix.items[columns], ranks, scores[rows, columns].astype(np.float32)]
            yield pa.RecordBatch.from_arrays([pa.array(a) for a in arrays], names=["user_key", "item_id", "rank", "score"])

    blocks = spark.range(0, len(matrix.users), USERS_PER_BLOCK, spark.sparkContext.defaultParallelism)
    return blocks.mapInArrow(recommend, SCORED)


def top(values: np.ndarray, size: int) -> np.ndarray:
    """The places of the `size` largest values above zero, largest first; equal values by their place."""
    threshold = np.partition(values, -size)[-size] if len(values) > size else 0
    places = np.flatnonzero((values >= threshold) & (values > 0))
    return places[np.lexsort((places, -values[places]))][:size]
