"""What items are made of, as terms, and the items that a user's terms lead to: the sources that need no other user.

The terms of an item are the words of its title and description, the whole title, its subcategory, category, department
and brand, and the shop, which all items have in common, so that those without any text are found too. A user's profile
is the share of each term in what the user bought; rare words count more, by their inverse document frequency. An item's
score is how much of its terms' appeal it has, over the profile:

    score(user, item) = Σ over fields: weight · Σ over its terms: share(term of user's purchases) · appeal(item) / appeal(term)

which is the probability of the item if the user first chooses a term, and then an item among those that hold it by its
appeal: a mixture of query-likelihood models (Ponte, Croft 1998), where the cosine of TF-IDF weights would take the user
to whatever is worded alike, bought by anyone or not. Both sides are pruned to their largest entries, so that the cost is
that of the users, whatever the number of items that share a word.
"""

import re
from array import array
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import csr_matrix, diags, hstack

from spark_jobs.matrix import Matrix, largest
from spark_jobs.topk import best_by_scores

FIELDS = {"words": 1, "title": 1, "subcategory": 1, "category": 2, "brand": 2, "department": 2, "shop": 1}  # with their weights
TEXT = ("title", "description", "department", "category", "subcategory", "brand")
WORD = re.compile(r"[^\W\d_]{2,}")
TERMS_PER_USER = 200
ITEMS_PER_TERM = 300


@dataclass(frozen=True)
class Terms:
    """The ids of the items, in order; which terms they hold, of shape (items, terms); the number of each term's field."""

    items: np.ndarray
    holds: csr_matrix
    fields: np.ndarray
    appeal: np.ndarray


def item_terms(items: DataFrame) -> Terms:
    """The terms of a frame with the columns of `items` and `appeal`, one row per item, collected to the driver."""
    table = items.select("item_id", *TEXT, "appeal").toArrow().sort_by("item_id")
    whole = {name: table[name].combine_chunks().dictionary_encode() for name in FIELDS if name in TEXT}
    words, shop = _words(table["title"], table["description"]), csr_matrix(np.ones((len(table), 1)))
    blocks = [words, *(_values(column) for column in whole.values()), shop]
    return Terms(
        table["item_id"].to_numpy(),
        csr_matrix(hstack(blocks)),
        np.repeat(np.arange(len(FIELDS)), [block.shape[1] for block in blocks]),
        table["appeal"].to_numpy().astype(np.float64),
    )


def _words(*texts: pa.ChunkedArray) -> csr_matrix:
    """Words (items, words), weighted by ln(items / items with the word) + 1."""
    codes: dict[str, int] = {}
    indices = array("i")
    ends = [0]
    for row in zip(*(text.to_pylist() for text in texts), strict=True):
        found = dict.fromkeys(WORD.findall(" ".join(text for text in row if text).lower()))
        indices.extend(codes.setdefault(word, len(codes)) for word in found)
        ends.append(len(indices))
    held = np.asarray(indices)
    rarity = np.log((len(ends) - 1) / np.bincount(held, minlength=len(codes))) + 1
    return csr_matrix((rarity[held], held, ends), shape=(len(ends) - 1, len(codes)))


def _values(column: pa.DictionaryArray) -> csr_matrix:
    """Ones (items, values) where an item has the value; an item without any has none."""
    present = np.flatnonzero(column.is_valid())
    codes = column.indices.drop_null().to_numpy()
    return csr_matrix((np.ones(len(codes)), (present, codes)), shape=(len(column), len(column.dictionary)))


def by_affinity(spark: SparkSession, bought: Matrix, terms: Terms, size: int) -> DataFrame:
    """The `size` best items of every user among those new to the user; `bought` weighs what the user has."""
    bought = over_items(bought, terms.items)
    shared = spark.sparkContext.broadcast((bought.weights, terms, appeal_shares(terms)))

    def score(block: slice) -> csr_matrix:
        weights, terms, shares = shared.value
        return csr_matrix(profiles(weights[block], terms) @ shares)

    return best_by_scores(spark, bought, score, size)


def over_items(matrix: Matrix, items: np.ndarray) -> Matrix:
    """The matrix over other items, in the order of their ids; those of the matrix that are not among them are left out."""
    place = np.searchsorted(items, matrix.items).clip(max=len(items) - 1)
    known = items[place] == matrix.items
    kept = known[matrix.weights.indices]
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.weights.indptr]
    entries = (matrix.weights.data[kept], place[matrix.weights.indices[kept]], ends)
    return Matrix(matrix.users, items, csr_matrix(entries, shape=(len(matrix.users), len(items))))


def profiles(weights: csr_matrix, terms: Terms) -> csr_matrix:
    """The largest entries of users' profiles, of shape (users, terms); those of a field add up to at most its weight."""
    profile = csr_matrix(weights @ terms.holds)
    profile.eliminate_zeros()  # of purchases so long ago that they weigh nothing
    rows = np.repeat(np.arange(profile.shape[0]), np.diff(profile.indptr))
    cells = rows * len(FIELDS) + terms.fields[profile.indices]
    totals = np.bincount(cells, weights=profile.data)
    profile.data = profile.data / totals[cells] * np.array(list(FIELDS.values()))[terms.fields[profile.indices]]
    return largest(profile, TERMS_PER_USER)


def appeal_shares(terms: Terms) -> csr_matrix:
    """Of shape (terms, items): the largest shares of the items in the appeal of each term."""
    shares = csr_matrix((diags(terms.appeal) @ terms.holds).T)
    shares.eliminate_zeros()
    shares.data = shares.data / np.repeat(np.asarray(shares.sum(axis=1)).ravel(), np.diff(shares.indptr))
    return largest(shares, ITEMS_PER_TERM)
