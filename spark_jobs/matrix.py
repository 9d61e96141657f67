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
