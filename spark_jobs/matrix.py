"""The user × item matrix that collaborative filtering works on."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix


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


def largest(matrix: csr_matrix, size: int) -> csr_matrix:
    """The `size` largest entries above zero of each row; equal entries by their column."""
    kept = matrix.data > 0
    for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        if end - start > size:
            values, columns = matrix.data[start:end], matrix.indices[start:end]
            threshold = np.partition(values, -size)[-size]
            ties = np.flatnonzero(values == threshold)
            spare = size - np.count_nonzero(values > threshold)
            kept[start:end] &= values >= threshold
            kept[start + ties[np.argsort(columns[ties])[spare:]]] = False
    before = np.concatenate([[0], np.cumsum(kept)])
    return csr_matrix((matrix.data[kept], matrix.indices[kept], before[matrix.indptr]), matrix.shape)
