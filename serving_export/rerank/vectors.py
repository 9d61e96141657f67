"""Items as vectors, from who buys them: what they have in common beyond their category."""

import numpy as np
import polars as pl
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

WIDTH = 32
USERS = 20_000  # at most so many users are looked at: enough for directions, and a bound on memory and time
SEED = 17


def item_vectors(user_item: pl.DataFrame) -> tuple[pl.Series, np.ndarray]:
    """Correspondence analysis of the users × items table: items near one another have the same buyers.

    The table is divided by the roots of its margins, and decomposed by a truncated SVD without the first pair of singular
    vectors, which only say how often users buy and items sell (Greenacre, "Theory and Applications of Correspondence
    Analysis", 1984).

    Args:
        user_item: user_key, item_id: who has bought what.

    Returns:
        The items, sorted, and float32 vectors [items + 1, width] of length one; row 0 is zero, row n + 1 is item n.
    """
    users, items = (user_item[name].unique().sort() for name in ("user_key", "item_id"))
    width = min(WIDTH, len(users) - 2, len(items) - 2)
    if width < 1:
        return items, np.zeros((len(items) + 1, 1), np.float32)
    row, column = (
        user_item.select(pl.col(name).replace_strict(known, range(len(known)), return_dtype=pl.Int64)).to_series().to_numpy()
        for name, known in (("user_key", users), ("item_id", items))
    )
    table = csr_array((np.ones(len(user_item)), (row, column)), shape=(len(users), len(items)))
    by_user, by_item = (diags_array(table.sum(axis=axis) ** -0.5) for axis in (1, 0))
    _, values, directions = svds(by_user @ table @ by_item, k=width + 1, rng=np.random.default_rng(SEED))
    kept = np.argsort(-values)[1:]
    vectors = directions[kept].T * values[kept] / np.sqrt(table.sum(axis=0))[:, None]
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-12)
    return items, np.vstack([np.zeros((1, width)), unit]).astype(np.float32)
