"""The nearest neighbours of the rows of a sparse matrix: products of blocks of rows in Spark's tasks, always sparse.

A product costs what its entries share, not items × items: twice the shop with twice the users and items is twice the work. A user
with everything would still cost the square of it: MOST_SHARED bounds it (the interaction cut of Schelter, Boden, Markl: Scalable
similarity-based neighborhood methods with MapReduce, RecSys 2012).
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from scipy.sparse import csr_matrix

from spark_jobs.matrix import largest

ROWS_PER_BLOCK = 256
MOST_SHARED = 2000


def nearest(spark: SparkSession, left: csr_matrix, right: csr_matrix, size: int) -> csr_matrix:
    """For each row of the square product left @ right its `size` largest entries above zero, without the row itself.

    Of each row of `right`, the MOST_SHARED largest entries count.
    """
    total = left.shape[0]
    shared = spark.sparkContext.broadcast((left, largest(right, MOST_SHARED)))

    def of_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        left, right = shared.value
        for start in (start for batch in batches for start in batch["id"].to_pylist()):
            block = csr_matrix(left[start : start + ROWS_PER_BLOCK] @ right).tocoo()
            others = block.row + start != block.col
            kept = csr_matrix((block.data[others], (block.row[others], block.col[others])), block.shape)
            kept = largest(kept, size)
            rows = np.repeat(np.arange(kept.shape[0]), np.diff(kept.indptr)) + start
            arrays = [pa.array(values) for values in (rows.astype(np.int32), kept.indices, kept.data.astype(np.float32))]
            yield pa.RecordBatch.from_arrays(arrays, names=["row", "neighbour", "similarity"])

    slices = max(1, min(4 * spark.sparkContext.defaultParallelism, -(-total // ROWS_PER_BLOCK)))
    blocks = spark.range(0, total, ROWS_PER_BLOCK, slices)
    table = blocks.mapInArrow(of_blocks, "row int, neighbour int, similarity float").toArrow()
    shared.unpersist()
    entries = (table["row"].to_numpy(), table["neighbour"].to_numpy())
    found = csr_matrix((table["similarity"].to_numpy(), entries), shape=(total, total))
    found.sort_indices()  # so that every later sum adds in the same order
    return found
