"""Implicit ALS: the arithmetic of `spark_jobs.implicit_als` in one process, a history folded in as one more row."""

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.leave_one_out import Scorer, Split
from spark_jobs.implicit_als import ImplicitALS

FACTORS, SWEEPS = 128, 12


def fit(split: Split, seed: int) -> Scorer:
    """Alpha and regularisation follow from how sparse the data is, as in the job; `seed` draws where the factors start."""
    counts = split.counts(split.train)
    als = ImplicitALS.for_matrix(counts, FACTORS, SWEEPS)
    by_item = csr_matrix(counts.T)
    items = np.random.default_rng(seed).normal(0, 0.1 / np.sqrt(FACTORS), (len(split.items), FACTORS)).astype(np.float32)
    for _ in range(SWEEPS):
        items = solved(als, by_item, solved(als, counts, items))
    return lambda histories: solved(als, split.counts(histories), items) @ items.T


def solved(als: ImplicitALS, weights: csr_matrix, others: np.ndarray) -> np.ndarray:
    """The best factors [rows, factors] of the rows of a matrix, given those of its columns."""
    gram = (others.T.astype(np.float64) @ others).astype(np.float32)
    return als.solve_rows(np.diff(weights.indptr), weights.indices, weights.data, others, gram)
