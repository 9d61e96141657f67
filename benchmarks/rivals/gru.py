"""GRU4Rec: a recurrent network over the user's items (Hidasi, Karatzoglou, "Recurrent neural networks with top-k gains for
session-based recommendations", CIKM 2018).

As there: one layer, item vectors shared by input and output, cross-entropy of the next item against 2,048 others that a step
draws once for all its positions. Otherwise than there: the others are drawn uniformly, a step sees users with their last
201 items rather than parallel sessions, and Adam stands in for Adagrad.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.leave_one_out import Scorer, Split
from benchmarks.rivals import sequential
from training.device import chosen

WIDTH, DROPOUT, LENGTH = 64, 0.2, 200
NEGATIVES = 2048


class GRU4Rec(sequential.Model):
    def __init__(self, items: int):
        super().__init__()
        self.items = nn.Embedding(1 + items, WIDTH)
        nn.init.normal_(self.items.weight, std=WIDTH**-0.5)
        self.bias = nn.Parameter(torch.zeros(1 + items))
        self.layer, self.dropout = nn.GRU(WIDTH, WIDTH, batch_first=True), nn.Dropout(DROPOUT)

    def forward(self, codes: Tensor) -> Tensor:
        return self.layer(self.dropout(self.items(codes)))[0]

    def scores(self, states: Tensor) -> Tensor:
        return super().scores(states) + self.bias[1:]

    def loss(self, inputs: Tensor, targets: Tensor, users: Tensor) -> Tensor:
        """Cross-entropy of the target among itself and the drawn items, those equal to the target left out."""
        known = targets > 0
        states, target = self(inputs)[known], targets[known]
        others = torch.randint(1, len(self.bias), (NEGATIVES,)).to(target.device)
        right = (states * self.items(target)).sum(1) + self.bias[target]
        wrong = states @ self.items(others).T + self.bias[others]
        wrong = wrong.masked_fill(others == target[:, None], float("-inf"))
        return F.softplus(wrong.logsumexp(1) - right).mean()


def fit(split: Split, seed: int) -> Scorer:
    torch.manual_seed(seed)
    model = GRU4Rec(len(split.items)).to(chosen())
    return sequential.train(model, model.loss, split, LENGTH)
