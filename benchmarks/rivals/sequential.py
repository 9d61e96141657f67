"""What the rivals that read sequences share: windows of item codes, an epoch, training that validation ends, scores.

Code 0 pads, at the end; item 0 of the split has code 1.
"""

import time
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import structlog
import torch
from torch import Tensor, nn

from benchmarks.leave_one_out import Scorer, Split, evaluate
from training.device import chosen

EPOCHS = 200
CHECK_EVERY = 5  # epochs
PATIENCE = 20  # epochs without a better NDCG@10 on validation, as in SASRec's paper
USERS_PER_STEP = 128

# From inputs and targets, codes [users, length] each, and the users' codes, to the mean loss of the targets that do not pad.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

log = structlog.get_logger()


class Model(nn.Module):
    """From codes [users, length] to a state after each item [users, length, width]."""

    items: nn.Embedding

    def scores(self, states: Tensor) -> Tensor:
        """Of all items [n, items], from states [n, width]."""
        return states @ self.items.weight[1:].T


def windows(sequences: list[np.ndarray], length: int) -> Tensor:
    """The last `length` items of each sequence as codes [sequences, longest]."""
    kept = [own[-length:] for own in sequences]
    codes = np.zeros((len(kept), max(1, *map(len, kept))), np.int64)
    for row, own in enumerate(kept):
        codes[row, : len(own)] = own + 1
    return torch.from_numpy(codes)


def trimmed(codes: Tensor) -> Tensor:
    """Without the columns that pad in every row."""
    return codes[:, : int((codes > 0).sum(1).max())]


def examples(split: Split, length: int) -> tuple[Tensor, Tensor]:
    """What is trained on: windows of up to `length` items and the one after each [n, 1 + length], and whose they are [n]."""
    users = torch.tensor([user for user, own in enumerate(split.train) if len(own) > 1])
    return windows([split.train[user] for user in users.tolist()], length + 1), users


def epoch(loss: Loss, codes: Tensor, users: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One pass over windows [users, length] in random order; returns the mean loss."""
    losses = []
    for batch in torch.randperm(len(codes)).split(USERS_PER_STEP):
        part = trimmed(codes[batch]).to(chosen())
        optimizer.zero_grad(set_to_none=True)
        targets = part[:, 1:]
        value = loss(part[:, :-1] * (targets > 0), targets, users[batch])  # no item without a next one, as when it is scored
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return float(np.mean(losses))


def train(model: Model, loss: Loss, split: Split, length: int, learning_rate: float = 1e-3) -> Scorer:
    """Train until NDCG@10 on validation has not grown for PATIENCE epochs; the scorer has the best epoch's weights."""
    codes, users = examples(split, length)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate, betas=(0.9, 0.98))
    found = scorer(model, length)
    best, best_at, weights, started = -1.0, 0, deepcopy(model.state_dict()), time.monotonic()
    for number in range(1, EPOCHS + 1):
        model.train()
        mean = epoch(loss, codes, users, optimizer)
        if number % CHECK_EVERY:
            continue
        ndcg = float(evaluate(split, found, "validation").ndcg.mean())
        if ndcg > best:
            best, best_at, weights = ndcg, number, deepcopy(model.state_dict())
        seconds = round((time.monotonic() - started) / number, 1)
        name = type(model).__name__
        log.info(name, epoch=f"{number}/{EPOCHS}", loss=round(mean, 4), validation=round(ndcg, 4), seconds_per_epoch=seconds)
        if number - best_at >= PATIENCE:
            break
    model.load_state_dict(weights)
    return found


def scorer(model: Model, length: int) -> Scorer:
    """Scores of all items after the last item of each history; of an empty one, those after padding alone."""

    @torch.no_grad()
    def score(histories: list[np.ndarray]) -> np.ndarray:
        model.eval()
        codes = windows(histories, length).to(chosen())
        last = ((codes > 0).sum(1) - 1).clamp(min=0)
        return model.scores(model(codes)[torch.arange(len(codes)), last]).cpu().numpy()

    return score
