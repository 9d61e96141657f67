"""Where item vectors start: what stands near each other in histories is near each other in space.

A sparse shop shows most items a handful of times. Training from random vectors spends its epochs on finding out which
items go together; the spectrum of their co-occurrence says it at once (Levy, Goldberg, "Neural word embedding as implicit
matrix factorization", NeurIPS 2014: skip-gram vectors factorise pointwise mutual information).
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

WINDOW = 3  # places apart, each counting one over its distance
CONTEXT_SMOOTHING = 0.75  # of how often an item is seen: makes rare neighbours count less (Levy, Goldberg, Dagan 2015)
ITERATIONS = 6  # of the randomised decomposition (Halko, Martinsson, Tropp 2011)


def spectral_vectors(sequences: Sequence[np.ndarray], items: int, width: int, seed: int) -> Tensor:
    """Vectors [items, width] of length √width from item numbers in order; an item without a neighbour gets a random one."""
    near = co_occurrence(sequences, items)
    seen = np.asarray(near.sum(1)).ravel()
    context = seen**CONTEXT_SMOOTHING
    entries = near.tocoo()
    expected = seen[entries.row] * context[entries.col] / max(context.sum(), 1e-12)
    information = np.log(entries.data / expected)
    kept = information > 0
    places = torch.from_numpy(np.stack([entries.row[kept], entries.col[kept]]).astype(np.int64))
    values = torch.from_numpy(information[kept]).float()
    matrix = torch.sparse_coo_tensor(places, values, (items, items), check_invariants=True).coalesce()
    generator = torch.Generator().manual_seed(seed)
    rank = min(width, items)
    left, strength = _decompose(matrix, rank, generator)
    vectors = torch.zeros(items, width)
    vectors[:, :rank] = left * strength.sqrt()
    # Turned at random, so that no coordinate, and no attention head that reads some of them, is worth more than another.
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    noise = torch.randn(items, width, generator=generator)
    length = vectors.norm(dim=1, keepdim=True)
    return width**0.5 * torch.nn.functional.normalize(torch.where(length > 1e-6, vectors @ turn, noise), dim=1)


def co_occurrence(sequences: Sequence[np.ndarray], items: int) -> csr_matrix:
    """How often two items stand within `WINDOW` places of each other, by one over the distance: symmetric [items, items]."""
    total = csr_matrix((items, items), dtype=np.float64)
    order = np.concatenate(sequences) if len(sequences) else np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(sequences)), [len(own) for own in sequences])
    for apart in range(1, WINDOW + 1):
        same = owner[:-apart] == owner[apart:]
        first, second = order[:-apart][same], order[apart:][same]
        total += csr_matrix((np.full(len(first), 1 / apart), (first, second)), (items, items))
    return (total + total.T).tocsr()


def _decompose(matrix: Tensor, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The `rank` largest singular vectors and values of a sparse symmetric matrix, by randomised subspace iteration."""
    drawn = torch.randn(matrix.shape[1], min(rank + 16, matrix.shape[1]), generator=generator)
    basis = torch.linalg.qr(matrix @ drawn)[0]
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(matrix @ basis)[0]
    small = (matrix @ basis).T  # symmetric: its product with the basis from either side is the same
    left, strength, _ = torch.linalg.svd(small, full_matrices=False)
    return (basis @ left)[:, :rank], strength[:rank]
