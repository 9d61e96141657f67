"""The count of operations against one by hand."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.matrix_rate import operations


def test_products_are_counted_forward_and_backward():
    layer, rows = nn.Linear(8, 4, bias=False), torch.rand(3, 8)
    product = 2 * 3 * 8 * 4
    assert operations(lambda: layer(rows)) == product
    assert operations(lambda: layer(rows).sum().backward()) == 2 * product  # the rows need no gradient


def test_attention_is_counted_on_the_cpu():
    parts = [torch.rand(2, 3, 5, 16, requires_grad=True) for _ in range(3)]
    forward = operations(lambda: F.scaled_dot_product_attention(*parts))
    assert forward == 2 * (2 * 2 * 3 * 5 * 5 * 16)  # weights from queries and keys, then what they weigh
    both = operations(lambda: F.scaled_dot_product_attention(*parts).sum().backward())
    assert both == forward + 5 * forward // 2  # backward, the weights are made again: five products for two
