"""Stage 2: train the scorer on candidates of past cut-offs, labelled by what was bought in the weeks after.

Where the shop's events hold clicks, p(click) and p(purchase) = p(click) · p(purchase | click) are trained together, each
on all rows (`training.model.Scorer`). A purchase counts as a click too: many a shop sells past its lists, at the till or
through the search, and a purchase without a click would contradict the product. Both losses weigh the same.

A loss is the cross-entropy of each row by itself, which makes scores probabilities, and that of each list, in which a row's
part is its probability over the list's sum: that looks at the order alone, and true probabilities are the best answer to both
(Bai et al. 2022, arXiv:2211.01494). A user has two lists, as in a release: what was bought before, and what is new.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import structlog
import torch
import torch.nn.functional as F

from training import loop
from training.model import Ranker, Rows, Scorer

log = structlog.get_logger()

SCHEDULE = loop.Schedule(epochs=4, learning_rate=2e-3, weight_decay=0.02, final=0.1, average=3)
ROWS_PER_STEP = 2048
LIST_WEIGHT = 5.0  # of the lists' cross-entropy beside the rows'
NEGATIVES_KEPT = 0.3  # the rest is left out; those kept weigh accordingly more, so that scores stay probabilities
TRANSFORM_SAMPLE = 50_000
OBJECTIVES = ("purchase", "click")
COUNTS_AS = {"purchase": ["purchase"], "click": ["click", "purchase"]}


@dataclass
class Examples:
    """Rows of one or more cut-offs, thinned: the scorer's inputs and labels [rows, objectives] with weights [rows].

    `ranks` [rows] are the places where items were shown, 0 where they were not. `lists` [rows] numbers the lists, in
    ascending order: the rows of a list stand together.
    """

    features: np.ndarray
    labels: np.ndarray
    ranks: np.ndarray
    weights: np.ndarray
    lists: np.ndarray


def objectives(events: pl.DataFrame) -> list[str]:
    """Purchase always, further ones only if the windows hold such events."""
    present = set(events["event_type"].unique())
    return [name for name in OBJECTIVES if name == "purchase" or name in present]


def labels(pairs: pl.DataFrame, events: pl.DataFrame, names: list[str]) -> np.ndarray:
    """1 where the user did that with the item in the window, else 0: [rows, objectives]."""
    columns = []
    for name in names:
        done = events.filter(pl.col("event_type").is_in(COUNTS_AS[name])).select("user_key", "item_id").unique()
        done = done.with_columns(label=1.0)
        found = pairs.select("user_key", "item_id").join(done, on=["user_key", "item_id"], how="left", maintain_order="left")
        columns.append(found["label"].fill_null(0.0).to_numpy())
    return np.stack(columns, axis=1).astype(np.float32)


def shown_ranks(pairs: pl.DataFrame, events: pl.DataFrame) -> np.ndarray:
    """The best place at which the item was shown to the user in the window, 0 where it was not: [rows]."""
    shown = events.filter(pl.col("event_type") == "impression").group_by("user_key", "item_id").agg(pl.col("rank").min())
    found = pairs.select("user_key", "item_id").join(shown, on=["user_key", "item_id"], how="left", maintain_order="left")
    return found["rank"].fill_null(0).to_numpy().astype(np.int64)


def examples(rows: Rows, label: np.ndarray, ranks: np.ndarray, seed: int) -> Examples:
    """All positives and a share of the negatives."""
    positive: np.ndarray = label.max(axis=1) > 0
    kept = np.flatnonzero(positive | (np.random.default_rng(seed).random(len(label)) < NEGATIVES_KEPT))
    lists = 2 * rows.user + rows.pairs["bought"].to_numpy()
    kept = kept[np.argsort(lists[kept], kind="stable")]
    weights = np.where(positive[kept], 1.0, 1 / NEGATIVES_KEPT).astype(np.float32)
    return Examples(rows.features[kept], label[kept], ranks[kept], weights, lists[kept])


def joined(parts: list[Examples]) -> Examples:
    """All examples as one; lists of different parts are different lists."""
    ends = np.cumsum([0] + [part.lists.max(initial=-1) + 1 for part in parts])
    return Examples(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.lists + end for part, end in zip(parts, ends[:-1], strict=True)]),
    )


class Task:
    """A scorer's batches of whole lists, in an order drawn from (seed, epoch), and its loss on them, for `training.loop`."""

    def __init__(self, scorer: Scorer, data: Examples, seed: int):
        device = scorer.quantiles.device
        self.scorer, self.seed = scorer, seed
        features = torch.from_numpy(data.features).split(65_536)
        self.inputs = torch.cat([scorer.transform(part.to(device)) for part in features])
        self.label, self.rank, self.weight = (
            torch.from_numpy(part).to(device) for part in (data.labels, data.ranks, data.weights)
        )
        _, self.list, self.lengths = (
            torch.from_numpy(data.lists).to(device).unique_consecutive(return_inverse=True, return_counts=True)
        )
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.steps = min(math.ceil(len(self.inputs) / ROWS_PER_STEP), len(self.lengths))

    @property
    def data(self) -> tuple[torch.Tensor, ...]:
        return self.inputs, self.label, self.rank, self.weight, self.list

    def batches(self, epoch: int) -> Iterator[torch.Tensor]:
        """Places of examples, about `ROWS_PER_STEP` at a time."""
        order = torch.randperm(len(self.lengths), generator=loop.generator(self.seed, epoch)).to(self.inputs.device)
        for lists in order.tensor_split(self.steps):
            lengths = self.lengths[lists]
            ends = lengths.cumsum(0)
            within = torch.arange(int(ends[-1]), device=ends.device) - (ends - lengths).repeat_interleave(lengths)
            yield self.starts[lists].repeat_interleave(lengths) + within

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        """Each member's logits [batch, members, objectives], at the places where the items were shown."""
        return self.scorer(self.inputs[batch], self.rank[batch])

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, int]:
        """The cross-entropies of rows and of lists, a weighted mean over the rows, and of how many examples.

        Members learn each by itself: the loss is the mean of theirs.
        """
        logits = self.logits(batch).float()
        label, weight = self.label[batch].repeat(1, logits.shape[1]), self.weight[batch][:, None]
        logits = logits.flatten(1)
        of_rows = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
        of_lists = -label * self._shares(logits, weight, batch)
        return (weight * (of_rows + LIST_WEIGHT * of_lists).mean(1, keepdim=True)).sum() / weight.sum(), len(batch)

    def _shares(self, logits: torch.Tensor, weight: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """The logarithm [batch, logits] of each row's probability over the weighted sum of its list's in the batch."""
        lists, chances = self.list[batch], F.logsigmoid(logits)
        row, column = lists.unique(return_inverse=True)[1], batch - self.starts[lists]
        table = chances.new_full((int(row.max()) + 1, int(column.max()) + 1, chances.shape[1]), -torch.inf)
        return chances - table.index_put((row, column), chances + weight.log()).logsumexp(1)[row]

    def fit(self, schedule: loop.Schedule, checkpoint: Path | None = None) -> loop.History:
        """Train the scorer in place."""
        return loop.fit("scorer", self.scorer, self.batches, self.loss, self.steps, schedule, self.seed, checkpoint, self.data)


def train_scorer(
    ranker: Ranker, data: Examples, seed: int, epochs: int | None = None, checkpoint: Path | None = None
) -> loop.History:
    """Train `ranker.scorer` on whole lists; the result is an average of the last weights."""
    torch.manual_seed(seed)
    sample = data.features[np.random.default_rng(seed).permutation(len(data.features))[:TRANSFORM_SAMPLE]]
    ranker.config["missing"] = len(Scorer.missing_patterns(sample))
    ranker.config["ranked"] = bool(data.ranks.any())
    ranker.build_scorer()
    ranker.scorer.fit_transforms(sample)
    ranker.scorer.to(ranker.device)
    task = Task(ranker.scorer, data, seed)
    label, weight = task.label, task.weight
    if label.shape[1] > 1:  # a product of two halves would take long to become as rare as purchases are
        ranker.scorer.start_from_rates((label * weight[:, None]).sum(0) / weight.sum())
    rows, inputs = task.inputs.shape
    log.info("scorer", rows=rows, positives=int((label[:, 0] > 0.5).sum()), inputs=inputs, objectives=label.shape[1])
    return task.fit(replace(SCHEDULE, epochs=epochs or SCHEDULE.epochs), checkpoint)
