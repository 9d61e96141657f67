"""One held-out item a user against 99 others: hit rate and NDCG at 10, as in He et al., "Neural collaborative filtering" (2017).

A tie with one of the 99 counts against the held-out item. `of_files` reads the split in the form in which that paper's authors
publish it; `of_matrix` makes one from any matrix.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

OTHERS = 99
TOP = 10


@dataclass(frozen=True)
class Split:
    """What is learnt from, and for each tested user (row) the held-out item and then the others (users, 1 + 99)."""

    train: csr_matrix
    users: np.ndarray
    choices: np.ndarray

    def quality(self, user_factors: np.ndarray, item_factors: np.ndarray) -> tuple[float, float]:
        """Hit rate and NDCG at 10 of the products of the factors."""
        scores = np.einsum("uf,ucf->uc", user_factors[self.users], item_factors[self.choices])
        ahead = (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
        hits = ahead < TOP
        return float(hits.mean()), float((hits / np.log2(ahead + 2)).mean())

    def validation(self, seed: int = 1) -> "Split":
        """A split of the training part alone: settings are chosen on it, so that the test stays unseen."""
        return of_matrix(self.train, seed)


def of_files(folder: Path) -> Split:
    """The split of a folder with `<name>.train.pairs.tsv`, `<name>.test.rating` and `<name>.test.negative`.

    Raises:
        SystemExit: the folder lacks one of the three files.
    """
    paths = {part: sorted(folder.glob(f"*.{part}")) for part in ("train.pairs.tsv", "test.rating", "test.negative")}
    if missing := [part for part, found in paths.items() if len(found) != 1]:
        raise SystemExit(f"{folder} must hold one file that ends in {', one in '.join(missing)}: give DATA=FOLDER")
    pairs = np.loadtxt(paths["train.pairs.tsv"][0], dtype=np.int64, usecols=(0, 1))
    tested = np.loadtxt(paths["test.rating"][0], dtype=np.int64, usecols=(0, 1))
    lines = paths["test.negative"][0].read_text().splitlines()
    others = np.array([line.split("\t")[1:] for line in lines], np.int64)  # a line starts with its user and item, in brackets
    choices = np.hstack([tested[:, 1:], others])
    shape = (1 + max(pairs[:, 0].max(), tested[:, 0].max()), 1 + max(pairs[:, 1].max(), choices.max()))
    train = csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape=shape)
    train.data[:] = 1
    return Split(train, tested[:, 0], choices)


def of_matrix(weights: csr_matrix, seed: int = 1) -> Split:
    """Holds out one random item of each user with two or more; the others are random items the user does not have."""
    random = np.random.default_rng(seed)
    counts = np.diff(weights.indptr)
    users = np.flatnonzero(counts > 1)
    held = weights.indptr[users] + random.integers(counts[users])
    train = weights.copy()
    train.data[held] = 0
    train.eliminate_zeros()
    owned = weights.astype(bool)
    others = np.empty((len(users), OTHERS), np.int64)
    for row, user in enumerate(users):
        free = np.setdiff1d(random.choice(weights.shape[1], min(weights.shape[1], 4 * OTHERS + counts[user]), replace=False),
                            owned.indices[owned.indptr[user] : owned.indptr[user + 1]])  # fmt: skip
        if len(free) < OTHERS:
            free = np.setdiff1d(np.arange(weights.shape[1]), owned.indices[owned.indptr[user] : owned.indptr[user + 1]])
        others[row] = random.choice(free, OTHERS, replace=False)
    return Split(train, users, np.hstack([weights.indices[held][:, None], others]))
