"""SASRec as published: causal self-attention over the user's items (Kang, McAuley, "Self-attentive sequential
recommendation", ICDM 2018), with the settings of the paper and of its authors' code.

Learnt absolute positions, the last item always at the last one; two blocks with one head, 50 wide. In a block only the
queries are normalised, and what is added to is the normalised input. Binary cross-entropy of the next item against one that
the user does not have. Where histories are long (MovieLens) 200 items and a dropout of 0.2, else 50 and 0.5.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.leave_one_out import Scorer, Split
from benchmarks.rivals import sequential
from training.device import chosen

WIDTH, BLOCKS = 50, 2
LONG, SHORT = (200, 0.2), (50, 0.5)  # length and dropout
LONG_FROM = 50  # items a user, on average


class Block(nn.Module):
    def __init__(self, dropout: float):
        super().__init__()
        self.before_attention, self.before_mixing = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.mix = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH), nn.Dropout(dropout)
        )
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        asking = self.before_attention(x)
        parts = self.query(asking), self.key(x), self.value(x)
        dropout = self.dropout if self.training else 0.0
        x = asking + F.scaled_dot_product_attention(*parts, is_causal=True, dropout_p=dropout)
        x = self.before_mixing(x)
        return x + self.mix(x)


class SASRec(sequential.Model):
    def __init__(self, items: int, length: int, dropout: float):
        super().__init__()
        self.items, self.positions = nn.Embedding(1 + items, WIDTH, padding_idx=0), nn.Embedding(length, WIDTH)
        for table in (self.items, self.positions):
            nn.init.xavier_uniform_(table.weight)
        self.blocks = nn.Sequential(*(Block(dropout) for _ in range(BLOCKS)))
        self.norm, self.dropout = nn.LayerNorm(WIDTH), nn.Dropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        length = self.positions.num_embeddings
        first = length - (codes > 0).sum(1, keepdim=True)
        places = (first + torch.arange(codes.shape[1], device=codes.device)).clamp(max=length - 1)
        return self.norm(self.blocks(self.dropout(self.items(codes) * WIDTH**0.5 + self.positions(places))))


def loss_of(model: SASRec, split: Split) -> sequential.Loss:
    """Binary cross-entropy of each target against one random item that the user's training part lacks."""
    owned = split.counts(split.train)

    def loss(inputs: Tensor, targets: Tensor, users: Tensor) -> Tensor:
        free = torch.from_numpy((owned[users.numpy()].toarray() == 0).astype(np.float32))
        others = torch.multinomial(free, targets.shape[1], replacement=True).to(targets.device) + 1
        known = targets > 0
        states = model(inputs)[known]
        right, wrong = ((states * model.items(codes[known])).sum(1) for codes in (targets, others))
        return (F.softplus(-right) + F.softplus(wrong)).mean()

    return loss


def fit(split: Split, seed: int) -> Scorer:
    torch.manual_seed(seed)
    length, dropout = LONG if np.mean([len(own) for own in split.train]) > LONG_FROM else SHORT
    model = SASRec(len(split.items), length, dropout).to(chosen())
    return sequential.train(model, loss_of(model, split), split, length)
