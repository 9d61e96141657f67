"""Matrix factorisation of implicit feedback by alternating least squares, solved in blocks of rows in Spark's tasks.

The loss (Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008) is, over all users u and
items i with p = 1 where the matrix holds a weight w and p = w = 0 elsewhere,

    sum of (1 + alpha · w_ui) · (p_ui - x_u · y_i)²  +  sum over rows of reg(n) · |row|²

and a row with n weights is regularised by `reg(n) = regularisation · (n + others / alpha) ** exponent`, where `others` is the
number of rows of the other side (Rendle, Krichene, Zhang, Koren, "Revisiting the performance of iALS", RecSys 2022: the zeros
of a row count as well, each with the weight 1 / alpha of an observed one). An exponent of 0 regularises all rows alike.
What alpha and regularisation should be depends on how sparse the matrix is: `for_matrix` scales them.

Spark keeps the weights in blocks of rows; every half sweep broadcasts the factors of the other side and collects this side's. A
row's solution depends on nothing but its weights and these factors, so any number of blocks and tasks gives the same factors.
"""

import gc
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import structlog
from pyspark import RDD
from pyspark.sql import SparkSession
from scipy.linalg import lapack
from scipy.sparse import csr_matrix

WORK_PER_BLOCK = 600_000  # weights, or so many times `factors` rows
FLOATS_PER_BATCH = 1_000_000  # of the gathered factors: 4 MB stay in the processor's cache
ZEROS_TO_ONES = 10
REGULARISATION = 0.007  # of a loss in which an observed pair weighs 1 more than a zero

Block = tuple[int, np.ndarray, np.ndarray, np.ndarray]  # its first row; weights in each row; their columns; the weights

log = structlog.get_logger()


@dataclass(frozen=True)
class ImplicitALS:
    """The settings of a factorisation."""

    factors: int
    sweeps: int
    alpha: float
    regularisation: float
    exponent: float = 1.0
    seed: int = 20171130

    @classmethod
    def for_matrix(cls, weights: csr_matrix, factors: int, sweeps: int) -> "ImplicitALS":
        """Settings that hold for dense and sparse shops: all zeros together weigh ZEROS_TO_ONES times what the ones do."""
        users, items = weights.shape
        alpha = users * items / max(1, weights.nnz) / ZEROS_TO_ONES
        return cls(factors, sweeps, alpha, REGULARISATION * (1 + alpha))

    def fit(self, spark: SparkSession, weights: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Factors of shapes (users, factors) and (items, factors) of a matrix (users, items) of positive weights."""
        random = np.random.default_rng(self.seed)
        scale = 0.1 / np.sqrt(self.factors)
        users, items = (random.normal(0, scale, (rows, self.factors)).astype(np.float32) for rows in weights.shape)
        by_user, by_item = (blocks_of_rows(spark, matrix, self.factors) for matrix in (weights, csr_matrix(weights.T)))
        started = time.monotonic()
        for sweep in range(1, self.sweeps + 1):
            users = self.solve(by_user, items, len(users))
            items = self.solve(by_item, users, len(items))
            seconds = time.monotonic() - started
            left = round(seconds / sweep * (self.sweeps - sweep), 1)
            log.info("als", sweep=f"{sweep}/{self.sweeps}", seconds=round(seconds, 1), remaining_s=left)
        by_user.unpersist()
        by_item.unpersist()
        return users, items

    def solve(self, blocks: "RDD[Block]", others: np.ndarray, rows: int) -> np.ndarray:
        """The best factors (rows, factors) of one side, given those of the other."""
        gram = (others.T.astype(np.float64) @ others).astype(np.float32)
        shared = blocks.context.broadcast((others, gram))

        def solve_block(block: Block) -> tuple[int, np.ndarray]:
            gc.freeze()  # Spark's worker collects garbage after every task: half of a short task's time, without this
            start, counts, columns, weights = block
            return start, self.solve_rows(counts, columns, weights, *shared.value)

        solved = np.zeros((rows, self.factors), np.float32)
        for start, part in blocks.map(solve_block).collect():
            solved[start : start + len(part)] = part
        shared.destroy()
        return solved

    def solve_rows(
        self, counts: np.ndarray, columns: np.ndarray, weights: np.ndarray, others: np.ndarray, gram: np.ndarray
    ) -> np.ndarray:
        """The best factors of some rows, whose weights stand one row after the other; zeros for a row without weights.

        Rows of like length are gathered, padded to one length and solved together. The padded length depends on the row
        alone: how a sum is rounded depends on its length, and must not depend on which rows share a block.
        """
        solved = np.zeros((len(counts), self.factors), np.float32)
        starts = np.cumsum(counts) - counts
        lengths = padded(counts)
        others = np.vstack([others, np.zeros(self.factors, np.float32)])  # what padding points to
        columns, weights = np.append(columns, np.int32(len(others) - 1)), np.append(weights, np.float32(0))
        for length in np.unique(lengths[counts > 0]):
            alike = np.flatnonzero((lengths == length) & (counts > 0))
            size = max(1, FLOATS_PER_BATCH // (int(length) * self.factors))
            for rows in (alike[first : first + size] for first in range(0, len(alike), size)):
                inside = np.arange(length) < counts[rows, None]
                places = np.where(inside, starts[rows, None] + np.arange(length), len(columns) - 1)
                solved[rows] = self._solve_alike(others[columns[places]], weights[places], counts[rows], len(others) - 1, gram)
        return solved

    def _solve_alike(
        self, gathered: np.ndarray, weights: np.ndarray, counts: np.ndarray, others: int, gram: np.ndarray
    ) -> np.ndarray:
        """Solutions (rows, factors) from the others' factors (rows, length, factors) and weights (rows, length)."""
        confidence = self.alpha * weights
        root = np.sqrt(confidence)
        right = np.matmul(np.where(weights > 0, 1 + confidence, 0).astype(np.float32)[:, None, :], gathered)[:, 0]
        gathered *= root[..., None]
        left = np.matmul(gathered.transpose(0, 2, 1), gathered)
        left += gram
        diagonal = np.arange(self.factors)
        reg = self.regularisation * (counts + others / self.alpha) ** self.exponent
        left[:, diagonal, diagonal] += reg.astype(np.float32)[:, None]
        return np.stack([solved_spd(*row) for row in zip(left, right, strict=True)])


def blocks_of_rows(spark: SparkSession, weights: csr_matrix, factors: int) -> "RDD[Block]":
    """The rows of a sparse matrix, in blocks of about as much work each, kept by Spark."""
    work = weights.indptr + factors * np.arange(len(weights.indptr))  # up to each row; a solution costs what its weights do
    blocks = []
    count = max(1, round(work[-1] / WORK_PER_BLOCK))
    bounds = np.searchsorted(work, np.linspace(0, work[-1], count + 1))
    for start, stop in pairwise(np.unique(bounds).tolist()):
        part = weights[start:stop]
        blocks.append((start, np.diff(part.indptr), part.indices.astype(np.int32), part.data.astype(np.float32)))
    # Through a shuffle: Spark sends what was made from a list along with every task, again in every half sweep.
    tasks = max(1, len(blocks))
    return spark.sparkContext.parallelize(enumerate(blocks), tasks).partitionBy(tasks).values().persist()


def solved_spd(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution (n) of a symmetric positive definite system, by Cholesky: half the work of `np.linalg.solve`."""
    _, solution, failed = lapack.sposv(left.T, right)
    return np.linalg.solve(left.astype(np.float64), right) if failed else solution  # of numbers too far apart for 32 bits


def padded(counts: np.ndarray) -> np.ndarray:
    """The lengths that rows are padded to: at most an eighth longer, so that few lengths serve all rows."""
    step = 2 ** np.maximum(np.ceil(np.log2(np.maximum(counts, 1))) - 3, 0).astype(np.int64)
    return -(-counts // step) * step
