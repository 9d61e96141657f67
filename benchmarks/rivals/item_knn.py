"""Item-KNN: the sum of what an item has in common with each item of the history, as in `spark_jobs.item_cf`, without Spark.

Two items are as similar as the product of the BM25 weights of their users; each item keeps its nearest neighbours
(Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 2004).
"""

import numpy as np
from scipy.sparse import csr_matrix, vstack

from benchmarks.leave_one_out import Scorer, Split
from spark_jobs.bm25 import bm25
from spark_jobs.item_cf import NEIGHBOURS
from spark_jobs.matrix import largest
from spark_jobs.neighbours import ROWS_PER_BLOCK


def fit(split: Split, seed: int) -> Scorer:
    """Nothing is drawn, so `seed` changes nothing."""
    similar = neighbours(bm25(split.counts(split.train)), NEIGHBOURS)
    return lambda histories: (split.counts(histories) @ similar).toarray()


def neighbours(weights: csr_matrix, size: int) -> csr_matrix:
    """Each item's `size` most similar others [items, items], a block of items at a time, from weights [users, items]."""
    by_item, blocks = csr_matrix(weights.T), []
    for start in range(0, by_item.shape[0], ROWS_PER_BLOCK):
        block = csr_matrix(by_item[start : start + ROWS_PER_BLOCK] @ weights).tocoo()
        others = block.row + start != block.col
        entries = (block.data[others], (block.row[others], block.col[others]))
        blocks.append(largest(csr_matrix(entries, block.shape, dtype=np.float32), size))
    return csr_matrix(vstack(blocks))
