"""Smaller rankers from a trained one: less to store, or faster to score with (docs/smaller-models.md has their figures).

    full       the trained ranker itself
    int8       the matrices of both stages rounded to eight bits, a scale per row; stored so, back in float32 once loaded
    pruned     half of the scorer's hidden units, those that matter most to its loss, fine-tuned for an epoch
    student    a scorer of far fewer units that learns from the trained one's probabilities as well as from the labels

    small = make(ranker, "pruned", examples, seed=17)

`CARTWHEEL_RANKER_VARIANT` says which one `training.train` logs, the gate judges, and the releases are scored with.
"""

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from cartwheel.settings import RankerVariant
from training import scorer
from training.model import Ranker, saved_state, state_to_save
from training.scorer import Examples

VARIANTS: tuple[RankerVariant, ...] = get_args(RankerVariant)
UNITS_KEPT = 0.5
IMPORTANCE_STEPS = 100
FINE_TUNING = replace(scorer.SCHEDULE, epochs=1, learning_rate=1e-3)
STUDENT = {"hidden": [64, 32], "members": 1}
FROM_TEACHER = 0.5  # of the student's labels, the rest is what happened


def make(ranker: Ranker, variant: RankerVariant, examples: Examples, seed: int, checkpoint: Path | None = None) -> Ranker:
    """The variant of a trained ranker, which stays as it is; they share what is the same in both.

    `examples` are those that the ranker's scorer was trained on; what a variant trains keeps its state in `checkpoint`.
    """
    match variant:
        case "full":
            return ranker
        case "int8":
            return eight_bits(ranker)
        case "pruned":
            return pruned(ranker, examples, seed, checkpoint)
        case "student":
            return student(ranker, examples, seed, checkpoint)


def eight_bits(ranker: Ranker) -> Ranker:
    """The ranker with the weights that it will have when it is loaded from eight bits."""
    small = _like(ranker, variant="int8")
    small.encoder, small.scorer = copy.deepcopy(ranker.encoder), copy.deepcopy(ranker.scorer)
    for module in (small.encoder, small.scorer):
        module.load_state_dict(saved_state(state_to_save(module, eight_bits=True)))
    return small


def pruned(ranker: Ranker, examples: Examples, seed: int, checkpoint: Path | None = None) -> Ranker:
    """The ranker with `UNITS_KEPT` of each of its scorer's hidden layers, fine-tuned."""
    kept = [
        worth.topk(max(1, round(UNITS_KEPT * worth.shape[1]))).indices.sort().values
        for worth in importance(ranker, examples, seed)
    ]
    hidden = [units.shape[1] for units in kept]
    small = _like(ranker, variant="pruned", scorer=ranker.config["scorer"] | {"hidden": hidden})
    small.build_scorer()
    small.scorer.load_state_dict(without_units(ranker.scorer.state_dict(), kept))
    scorer.Task(small.scorer, examples, seed).fit(FINE_TUNING, checkpoint)
    return small


def importance(ranker: Ranker, examples: Examples, seed: int) -> list[Tensor]:
    """How much each hidden unit of the scorer matters to its loss, a tensor [members, units] per layer.

    The squared change of a batch's loss if the unit fell silent, to first order: the gradient of a gate of 1 that multiplies
    its activation, squared and summed over batches (Molchanov et al. 2019, arXiv:1906.10771, equation 8 with gates).
    """
    module = copy.deepcopy(ranker.scorer).eval()
    members = module.heads.members
    gates = [torch.ones(members, units, device=ranker.device, requires_grad=True) for units in ranker.config["scorer"]["hidden"]]
    for layer, gate in zip(module.trunk, gates, strict=True):
        layer.register_forward_hook(lambda _layer, _given, activation, gate=gate: activation * gate.flatten())
    task, sums = scorer.Task(module, examples, seed), [torch.zeros_like(gate) for gate in gates]
    for batch in itertools.islice(task.batches(0), IMPORTANCE_STEPS):
        for total, gradient in zip(sums, torch.autograd.grad(task.loss(batch)[0], gates), strict=True):
            total += gradient**2
    return sums


def without_units(state: dict[str, Tensor], kept: list[Tensor]) -> dict[str, Tensor]:
    """A scorer's state with only the `kept` units of each hidden layer (places [members, units], in order): the rest's rows and
    columns go."""
    state = dict(state)
    for layer, units in enumerate(kept):
        members = len(units)
        for name in ("0.weight", "0.bias", "1.weight", "1.bias"):  # of the linear layer and of the norm after it
            own = state[f"trunk.{layer}.{name}"].unflatten(0, (members, -1))
            state[f"trunk.{layer}.{name}"] = torch.cat([part[places] for part, places in zip(own, units, strict=True)])
        following = f"trunk.{layer + 1}.0.weight" if layer + 1 < len(kept) else "heads.weight"
        own = state[following].unflatten(0, (members, -1))
        state[following] = torch.cat([part[:, places] for part, places in zip(own, units, strict=True)])
    return state


def student(ranker: Ranker, examples: Examples, seed: int, checkpoint: Path | None = None) -> Ranker:
    """The ranker with a scorer of one small network (`STUDENT`), trained on its teacher's probabilities and the labels.

    The loss is a mean of two cross-entropies, with the teacher's probabilities and with the labels (Hinton et al. 2015,
    arXiv:1503.02531, section 2, at temperature 1). As a cross-entropy is linear in its targets, that is the cross-entropy
    with the mean of both as a target.
    """
    small = _like(ranker, variant="student", scorer=ranker.config["scorer"] | STUDENT)
    targets = FROM_TEACHER * chances(ranker, examples, seed) + (1 - FROM_TEACHER) * examples.labels
    scorer.train_scorer(small, replace(examples, labels=targets), seed, checkpoint=checkpoint)
    return small


@torch.no_grad()
def chances(ranker: Ranker, examples: Examples, seed: int) -> np.ndarray:
    """The ranker's probabilities [rows, objectives] of the examples' labels, each at the place where the item was shown."""
    task = scorer.Task(ranker.scorer.eval(), examples, seed)
    places = torch.arange(len(examples.labels), device=ranker.device)
    return torch.cat([torch.sigmoid(task.logits(batch).mean(1)) for batch in places.split(65_536)]).cpu().numpy()


def _like(ranker: Ranker, **config: Any) -> Ranker:
    """A ranker with the same encoder, another configuration and no scorer yet."""
    other = Ranker()
    other.config, other.encoder = ranker.config | config, ranker.encoder
    return other
