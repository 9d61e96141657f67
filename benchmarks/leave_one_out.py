"""Each user's last item against the whole catalogue: hit rate, NDCG and reciprocal rank on a public file of interactions.

The protocol of Kang, McAuley, "Self-attentive sequential recommendation" (ICDM 2018), with every item of the file ranked
instead of a sample of them (Krichene, Rendle, "On sampled metrics for item recommendation", KDD 2020):

- A user's last item is the test, the last but one the validation, the rest is training. Users with fewer than three items
  are only trained on; every other user is measured.
- A scorer sees what the user had before the target: for the test, training and validation. These items are not ranked. The
  target always is, also where the user has had it before; a method that never repeats an item misses it.
- A target's place is one more than the number of ranked items that do not score below it. So ties count against it, as do
  scores that are no number, and a method that scores everything alike finds nothing.
- There is one target a user, so recall at k and hit rate at k are the same.

    split = read_split(Path("ratings.txt"))
    evaluate(split, scorer).means()
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

K = 10
USERS_PER_BATCH = 256
HELD_OUT = {"test": 1, "validation": 2}  # how far from the end of a user's items

Which = Literal["test", "validation"]
Scorer = Callable[[list[np.ndarray]], np.ndarray]  # histories, a list of item codes each, to scores [users, items]


@dataclass(frozen=True)
class Split:
    """All items of each user in the order of time, as codes: users and items are numbered as they first appear in the file."""

    users: list[str]
    items: list[str]
    sequences: list[np.ndarray]

    @cached_property
    def train(self) -> list[np.ndarray]:
        """What is learnt from, of every user."""
        return [own[:-2] if len(own) > 2 else own for own in self.sequences]

    @cached_property
    def measured(self) -> np.ndarray:
        """The users with three items or more, by code."""
        return np.flatnonzero([len(own) > 2 for own in self.sequences])

    def histories(self, which: Which) -> list[np.ndarray]:
        """What each measured user had before the target."""
        return [self.sequences[user][: -HELD_OUT[which]] for user in self.measured]

    def targets(self, which: Which) -> np.ndarray:
        """The held-out item of each measured user."""
        return np.array([self.sequences[user][-HELD_OUT[which]] for user in self.measured])

    def counts(self, sequences: Sequence[np.ndarray]) -> csr_matrix:
        """How often each item stands in each sequence [sequences, items]."""
        lengths = [len(own) for own in sequences]
        columns = np.concatenate(sequences) if len(sequences) else np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        found = csr_matrix((np.ones(len(columns), np.float32), columns, starts), (len(sequences), len(self.items)))
        found.sum_duplicates()
        return found


@dataclass(frozen=True)
class Places:
    """The place of each measured user's target, 1 is best, in the order of `Split.measured`."""

    places: np.ndarray

    @property
    def hits(self) -> np.ndarray:
        """Hit rate at K, a user each."""
        return (self.places <= K).astype(np.float64)

    @property
    def ndcg(self) -> np.ndarray:
        """NDCG at K, a user each: with one relevant item the ideal is 1."""
        return self.hits / np.log2(self.places + 1)

    @property
    def reciprocal(self) -> np.ndarray:
        """One by the place, a user each."""
        return 1 / self.places

    def means(self) -> dict[str, float]:
        """The figures over all measured users."""
        figures = {f"hr_at_{K}": self.hits, f"ndcg_at_{K}": self.ndcg, "mrr": self.reciprocal}
        return {name: float(values.mean()) for name, values in figures.items()}


def evaluate(split: Split, scorer: Scorer, which: Which = "test") -> Places:
    """Rank every measured user's target by a scorer, a batch of users at a time, so that memory does not grow with the users."""
    histories = split.histories(which)
    return evaluate_rows(split, lambda rows: scorer(histories[rows]), which)


def evaluate_rows(split: Split, scores: Callable[[slice], np.ndarray], which: Which = "test") -> Places:
    """The same for scores that are known by the user's place in `Split.measured`: `scores` takes a slice of them."""
    histories, targets = split.histories(which), split.targets(which)
    batches = [slice(start, start + USERS_PER_BATCH) for start in range(0, len(targets), USERS_PER_BATCH)]
    return Places(np.concatenate([places(scores(rows), histories[rows], targets[rows]) for rows in batches]))


def places(scores: np.ndarray, histories: list[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """The target's place [users] among the items outside the history, from scores [users, items]."""
    users = np.arange(len(targets))
    ahead = ~(scores < scores[users, targets][:, None])
    ahead[np.repeat(users, [len(own) for own in histories]), np.concatenate(histories)] = False
    ahead[users, targets] = False
    return 1 + ahead.sum(axis=1)


def read_split(file: Path) -> Split:
    """A file of interactions in either common format; ids may be any text without spaces.

    Either `user item`, one interaction a line, in the order of time; or `user item item …`, one user a line. A file is of
    the first kind if every line has two fields and a user has more than one line.

    Raises:
        SystemExit: the file cannot be read, or a line is of neither kind; the message names the file and the line.
    """
    lines = list(_lines(file))
    pairs = all(len(fields) == 2 for _, fields in lines) and len({fields[0] for _, fields in lines}) < len(lines)
    codes: dict[str, int] = {}
    sequences: dict[str, list[int]] = {}
    for number, (user, *items) in lines:
        if user in sequences and not pairs:
            raise SystemExit(
                f"{file}, line {number}: user {user} has had a line before. Either every line is `user item`, "
                "or every user has one line, `user item item …`."
            )
        sequences.setdefault(user, []).extend(codes.setdefault(item, len(codes)) for item in items)
    if not any(len(own) > 2 for own in sequences.values()):
        raise SystemExit(f"{file}: no user has three items, one each to train on, to validate and to test")
    return Split(list(sequences), list(codes), [np.array(own, np.int32) for own in sequences.values()])


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of every line that is not blank."""
    try:
        with file.open("rb") as opened:
            for number, line in enumerate(opened, 1):
                fields = line.decode().split()
                if len(fields) == 1:
                    raise SystemExit(f"{file}, line {number}: user {fields[0]} without an item")
                if fields:
                    yield number, fields
    except UnicodeDecodeError as error:
        raise SystemExit(f"{file}, line {number}: not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise SystemExit(f"{file} cannot be read ({error.strerror}): give DATA=FILE") from error
