"""BM25 weights of a user × item matrix of counts: items are the terms, users the documents (Robertson, Walker 1994)."""

import numpy as np
from scipy.sparse import csr_matrix, diags

K1 = 1.2
B = 0.75


def bm25(counts: csr_matrix) -> csr_matrix:
    """Weights that damp repeat purchases (K1) and the large baskets of heavy buyers (B), and raise rare items."""
    users = counts.shape[0]
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    buyers = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log(users / (1 + buyers)) + 1
    damping = K1 * (1 - B + B * lengths / lengths.mean())
    weights = counts.copy().astype(np.float32)
    weights.data = weights.data * (K1 + 1) / (weights.data + np.repeat(damping, np.diff(weights.indptr)))
    return csr_matrix(weights @ diags(rarity.astype(np.float32)))
