"""GRU4Rec and SASRec: windows and losses by hand, no look ahead, and a pattern that only the order of items tells."""

import numpy as np
import pytest
import torch

from benchmarks.leave_one_out import Split, evaluate
from benchmarks.rivals import gru, sasrec, sequential

ITEMS = 12


@pytest.fixture
def small(monkeypatch):
    """Every user goes round the items, from a random one, seven steps; a little training is enough."""
    monkeypatch.setattr(sequential, "EPOCHS", 30)
    monkeypatch.setattr(sequential, "USERS_PER_STEP", 8)
    monkeypatch.setattr(gru, "NEGATIVES", 32)
    monkeypatch.setattr(sasrec, "SHORT", (10, 0.1))
    starts = np.random.default_rng(6).integers(ITEMS, size=60)
    sequences = [(start + np.arange(7)) % ITEMS for start in starts]
    return Split([str(n) for n in range(60)], [str(n) for n in range(ITEMS)], sequences)


def models() -> list[torch.nn.Module]:
    torch.manual_seed(1)
    return [model.eval() for model in (gru.GRU4Rec(ITEMS), sasrec.SASRec(ITEMS, 4, 0.2))]


def test_windows_hold_the_last_items_and_pad_at_the_end():
    codes = sequential.windows([np.array([0, 1, 2, 3]), np.array([5]), np.array([], int)], 3)
    assert codes.tolist() == [[2, 3, 4], [6, 0, 0], [0, 0, 0]]
    assert sequential.trimmed(codes[1:]).tolist() == [[6], [0]]


def test_examples_leave_out_users_without_a_next_item():
    split = Split(list("abc"), list("xyz"), [np.array([0, 1, 2, 0, 1]), np.array([0, 1, 2]), np.array([2, 1])])
    codes, users = sequential.examples(split, 2)
    assert codes.tolist() == [[1, 2, 3], [3, 2, 0]]
    assert users.tolist() == [0, 2]


def test_in_training_the_last_input_of_every_user_is_the_one_before_its_last_target():
    """SASRec counts positions from the end: an input without a target would shift those of every shorter user."""
    seen: list[tuple[list, list]] = []

    def loss(inputs: torch.Tensor, targets: torch.Tensor, users: torch.Tensor) -> torch.Tensor:
        seen.append((inputs.tolist(), targets.tolist()))
        return weight.sum()

    weight = torch.nn.Parameter(torch.zeros(1))
    sequential.epoch(loss, torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([0, 1]), torch.optim.SGD([weight], 0.1))
    assert sorted(zip(*seen[0], strict=True)) == [([1, 2], [2, 3]), ([4, 0], [5, 0])]


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_a_state_knows_nothing_of_later_items_nor_of_the_batch(model):
    with torch.no_grad():
        one, other = model(torch.tensor([[1, 2, 3]])), model(torch.tensor([[1, 2, 7]]))
        score = sequential.scorer(model, 4)
        alone, together = score([np.array([3, 1])]), score([np.array([3, 1]), np.array([1, 2, 3, 4, 5])])
    if isinstance(model, gru.GRU4Rec):  # SASRec counts positions from the end, of as many items in both
        assert one[:, :2].numpy() == pytest.approx(model(torch.tensor([[1, 2]])).detach().numpy(), abs=1e-6)
    assert one[:, :2].numpy() == pytest.approx(other[:, :2].numpy(), abs=1e-6)
    assert not torch.allclose(one[:, 2], other[:, 2])
    assert together[0] == pytest.approx(alone[0], abs=1e-5)
    assert alone.shape == (1, ITEMS)


def test_only_the_last_items_of_a_long_history_count():
    for model in models():
        score = sequential.scorer(model, 4)
        assert score([np.array([7, 6, 1, 2, 3, 4])])[0] == pytest.approx(score([np.array([1, 2, 3, 4])])[0], abs=1e-6)


def test_gru_leaves_out_drawn_items_that_are_the_target():
    model = gru.GRU4Rec(1)
    assert model.loss(torch.tensor([[1, 1, 0]]), torch.tensor([[1, 1, 0]]), torch.tensor([0])).item() == 0


def test_sasrec_draws_what_the_user_lacks():
    """The user has all items but one: the loss is that of the target against this one, padding left out."""
    split = Split(["u"], list("abcde"), [np.array([0, 1, 2, 4, 0, 0])])
    torch.manual_seed(2)
    model = sasrec.SASRec(5, 4, 0.2).eval()
    inputs, targets = torch.tensor([[1, 2, 0]]), torch.tensor([[2, 3, 0]])
    with torch.no_grad():
        found = sasrec.loss_of(model, split)(inputs, targets, torch.tensor([0]))
        states, vectors = model(inputs)[0, :2], model.items.weight
        right, wrong = torch.sigmoid((states * vectors[[2, 3]]).sum(1)), torch.sigmoid(states @ vectors[4])
        assert found.item() == pytest.approx(-(right.log() + (1 - wrong).log()).mean().item(), abs=1e-6)


@pytest.mark.parametrize("method", [gru, sasrec])
def test_the_next_item_of_a_round_is_found(method, small):
    """Six of the twelve items are left to rank: in a random order their NDCG is 0.55."""
    assert evaluate(small, method.fit(small, 3)).means()["ndcg_at_10"] > 0.9


@pytest.mark.parametrize("method", [gru, sasrec])
def test_a_seed_gives_the_same_scores_again(method, small, monkeypatch):
    monkeypatch.setattr(sequential, "EPOCHS", 1)
    first, again, other = (method.fit(small, seed)(small.histories("test")) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()
