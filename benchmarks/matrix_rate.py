"""How much of a device's matrix rate a training uses: its own multiplications over those of one large product in as much time.

The utilisation of Chowdhery et al., "PaLM: Scaling language modeling with pathways" (JMLR 2023, appendix B), with what the
operations really are, forward and backward, in place of an estimate from the number of weights; and with the rate that the
device reaches now, in this program, in place of the one in its data sheet.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from training.device import product_type

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices
REPEATS = 15


def operations(run: Callable[[], object]) -> int:
    """The floating-point operations of all matrix products and attention while `run` runs; a sum and a product are two."""
    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu, _on_cpu
    back_on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward, _back_on_cpu
    with FlopCounterMode(display=False, custom_mapping=dict([on_cpu, back_on_cpu])) as counter:
        run()
    return counter.get_total_flops()


def rate(where: torch.device) -> float:
    """Operations a second of a product of two large matrices, in the numbers that training multiplies in there: the median."""
    side = SIDE[where.type]
    left, right = (torch.rand(side, side, device=where, dtype=product_type(where)) for _ in range(2))
    times = []
    for _ in range(REPEATS):
        _wait(where)
        started = time.perf_counter()
        left @ right
        _wait(where)
        times.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(times)


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def _on_cpu(query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)


def _back_on_cpu(gradient: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)
