"""The softmax loss over a catalogue, without ever holding its logits.

A batch of n states against m items has n × m logits: hundreds of megabytes that would be written and read several times.
Here a block of rows at a time goes through logits, softmax and gradient while it is in the cache, so that one pass gives
the loss and the gradients of states, item vectors and biases (the idea of Liger-Kernel, Hsu et al. 2024, arXiv:2410.10989,
and of "Cut your losses", Wijmans et al. 2024, arXiv:2411.09009). Matrix products are in bfloat16 where the processor has
instructions for it: that is where the time goes, and a training step is noisier than its rounding.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.device import product_type

ROWS = 256  # of a block: its logits over some ten thousand items stay in the cache
SAMPLE_FROM_LOGITS = 2**25  # of a batch: from there on the catalogue is sampled
SAMPLED_ITEMS = 4096  # besides the targets of the batch


def catalogue_loss(
    states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, share: Tensor, generator: torch.Generator
) -> Tensor:
    """The weighted mean of -log softmax(states · vectors + bias) at the targets.

    Over a large catalogue the softmax runs over the batch's targets and a uniform sample, each item counting one over the
    chance that it is among them (importance sampling: Bengio, Senécal, "Adaptive importance sampling", 2008). A row's own
    targets are there for certain and count one (Khrylchenko et al., "Correcting the LogQ correction", RecSys 2025).

    Args:
        states: [n, width]. vectors: [items, width]. bias: [items].
        targets: [n, k] item numbers. weights: [n, k], 0 for a target that does not count.
        share: [items] of all targets of the training.
        generator: draws the sample, on the CPU.
    """
    items = len(vectors)
    if len(states) * items > SAMPLE_FROM_LOGITS:
        drawn = torch.randint(items, (SAMPLED_ITEMS,), generator=generator).to(targets.device)
        chosen = torch.cat([targets.reshape(-1), drawn]).unique()
        expected = targets.numel() * share[chosen] + SAMPLED_ITEMS / items
        correction = -torch.log(-torch.expm1(-expected))
        vectors, bias, targets = F.embedding(chosen, vectors), bias[chosen], torch.searchsorted(chosen, targets)
        return _Softmax.apply(states, vectors, bias, targets, weights, correction)
    return _Softmax.apply(states, vectors, bias, targets, weights, None)


class _Softmax(torch.autograd.Function):
    """Loss and gradients in one pass; the backward pass only scales them."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(
        ctx: Any, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, correction: Tensor | None
    ) -> Tensor:
        kind = product_type(states.device)
        weights = weights / weights.sum().clamp(min=1e-12)
        table = vectors.to(kind)
        to_states, to_vectors, to_bias = torch.empty_like(states), torch.zeros_like(vectors), torch.zeros_like(bias)
        loss = states.new_zeros(())
        for start in range(0, len(states), ROWS):
            rows = slice(start, start + ROWS)
            state, target, weight = states[rows].to(kind), targets[rows], weights[rows]
            logits = (state @ table.T).float() + bias
            if correction is not None:
                own = logits.gather(1, target)
                logits = (logits + correction).scatter_(1, target, own)
            likely = torch.softmax(logits, dim=1)
            loss -= (weight * likely.gather(1, target).clamp(min=1e-30).log()).sum()
            likely *= weight.sum(1, keepdim=True)  # from here on the gradient of the logits
            likely.scatter_add_(1, target, -weight)
            to_bias += likely.sum(0)
            gradient = likely.to(kind)
            to_states[rows] = (gradient @ table).float()
            to_vectors += (gradient.T @ state).float()
        ctx.save_for_backward(to_states, to_vectors, to_bias)
        return loss

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        to_states, to_vectors, to_bias = ctx.saved_tensors
        return to_states * scale, to_vectors * scale, to_bias * scale, None, None, None
