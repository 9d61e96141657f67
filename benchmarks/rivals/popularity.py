"""The items that most often stand in the training part, the same for everyone."""

import numpy as np

from benchmarks.leave_one_out import Scorer, Split


def fit(split: Split, seed: int) -> Scorer:
    """Scores are counts; nothing is drawn, so `seed` changes nothing."""
    counts = np.asarray(split.counts(split.train).sum(axis=0)).ravel()
    return lambda histories: np.tile(counts, (len(histories), 1))
