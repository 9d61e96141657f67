"""The catalogue's softmax loss against torch's own, and its sample against the whole."""

import pytest
import torch
import torch.nn.functional as F

from training import softmax
from training.softmax import catalogue_loss


def made_up(states: int, items: int, width: int = 8, targets: int = 2) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return {
        "states": torch.randn(states, width, generator=draw).requires_grad_(),
        "vectors": torch.randn(items, width, generator=draw).requires_grad_(),
        "bias": torch.randn(items, generator=draw).requires_grad_(),
        "targets": torch.randint(items, (states, targets), generator=draw),
        "weights": torch.rand(states, targets, generator=draw),
        "share": torch.full((items,), 1 / items),
    }


def plainly(states, vectors, bias, targets, weights, share) -> torch.Tensor:
    likely = F.log_softmax(states @ vectors.T + bias, dim=1).gather(1, targets)
    return -(weights * likely).sum() / weights.sum()


@pytest.fixture(params=[torch.float32, torch.bfloat16])
def kind(request, monkeypatch) -> torch.dtype:
    monkeypatch.setattr(softmax, "product_type", lambda device: request.param)
    return request.param


def test_loss_and_gradients_are_those_of_the_plain_formula(kind, monkeypatch):
    monkeypatch.setattr(softmax, "ROWS", 3)  # eight states make three blocks, the last of them short
    near = {"rel": 1e-5, "abs": 1e-6} if kind == torch.float32 else {"rel": 0.05, "abs": 0.01}
    given = made_up(states=8, items=20)
    loss, expected = catalogue_loss(**given, generator=torch.Generator()), plainly(**given)
    assert loss.item() == pytest.approx(expected.item(), **near)
    leaves = [given[name] for name in ("states", "vectors", "bias")]
    for ours, theirs in zip(torch.autograd.grad(2 * loss, leaves), torch.autograd.grad(2 * expected, leaves), strict=True):
        assert ours.numpy() == pytest.approx(theirs.numpy(), **near)


def test_a_target_without_weight_does_not_count():
    given = made_up(states=4, items=6)
    given["weights"][1] = 0
    other = given | {"targets": given["targets"].clone()}
    other["targets"][1] = (given["targets"][1] + 1) % 6
    assert catalogue_loss(**given, generator=torch.Generator()) == catalogue_loss(**other, generator=torch.Generator())


def test_a_sample_estimates_the_loss_and_the_gradient_over_the_whole_catalogue(monkeypatch):
    given = made_up(states=2000, items=400, width=4, targets=1)
    given["targets"] = (given["targets"] ** 2 // 400).clamp(max=399)  # some are frequent
    given["share"] = torch.bincount(given["targets"][:, 0], minlength=400) / 2000
    whole = plainly(**given)
    expected = torch.autograd.grad(whole, given["vectors"])[0]
    monkeypatch.setattr(softmax, "SAMPLE_FROM_LOGITS", 1)
    monkeypatch.setattr(softmax, "SAMPLED_ITEMS", 150)
    draw = torch.Generator().manual_seed(5)
    losses, gradients = [], []
    for rows in torch.randperm(2000, generator=draw).split(50):
        part = given | {name: given[name][rows] for name in ("states", "targets", "weights")}
        part["weights"] = given["weights"][rows] / given["weights"][rows].sum()
        share = given["weights"][rows].sum() / given["weights"].sum()
        losses.append(share * catalogue_loss(**part, generator=draw))
        gradients.append(torch.autograd.grad(losses[-1], given["vectors"])[0])
    assert torch.stack(losses).sum().item() == pytest.approx(whole.item(), rel=0.02)
    assert F.cosine_similarity(torch.stack(gradients).sum(0).flatten(), expected.flatten(), dim=0) > 0.95
