"""The loop: steps worked out by hand, killed and resumed at every step, and stopped by a loss that is no number."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from training import device, loop
from training.loop import DivergedError, History, Schedule, fit, polynomial_average

ROWS, STEPS = 24, 4
SCHEDULE = Schedule(epochs=3, learning_rate=0.05, weight_decay=0.01, clip=1.0, average=3)
INPUTS = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS.sum(1, keepdim=True)


class KilledError(Exception):
    """Stands for the end of the process."""


def validated(shown):
    return float(shown(INPUTS).mean())


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))


def train(module, schedule=SCHEDULE, seed=1, killed_in=None, targets=TARGETS, **options) -> History:
    """Fit the sum of three numbers; `killed_in` names the epoch and the step at which it ends before its time."""

    def batches(epoch):
        for step, rows in enumerate(torch.randperm(ROWS, generator=loop.generator(seed, epoch)).split(ROWS // STEPS)):
            if (epoch, step) == killed_in:
                raise KilledError
            yield rows

    def loss(rows):
        return (module(INPUTS[rows]) - targets[rows]).square().mean(), len(rows)

    return fit("sum", module, batches, loss, STEPS, schedule, seed, data=(INPUTS, targets), **options)


def weights(module: nn.Module) -> bytes:
    return b"".join(value.numpy().tobytes() for value in module.state_dict().values())


def test_matrices_decay_and_vectors_do_not():
    module = nn.Linear(3, 2)
    before = {name: value.clone() for name, value in module.state_dict().items()}

    def loss(_):
        return 0.0 * (module.weight.sum() + module.bias.sum())  # no gradient: only the decay moves the weights

    fit("decay", module, lambda epoch: [0], loss, 1, Schedule(1, 0.5, weight_decay=0.1), seed=1)
    first_rate = 0.5 / 25
    assert torch.allclose(module.weight, before["weight"] * (1 - first_rate * 0.1))
    assert torch.equal(module.bias, before["bias"])


def test_the_result_is_the_moving_average_and_evaluation_sees_it():
    module, seen = network(), []

    def look(shown):
        seen.append((module[0].bias.detach().clone(), shown[0].bias.detach().clone()))
        assert not shown.training
        return float(len(seen))

    one_step_an_epoch = lambda epoch: [torch.arange(ROWS)]  # noqa: E731
    loss = lambda rows: module(INPUTS).square().mean()  # noqa: E731
    history = fit("average", module, one_step_an_epoch, loss, 1, SCHEDULE, 1, validate=look)
    assert history.validation == [1.0, 2.0, 3.0]
    (live, shown), *later = seen
    assert torch.equal(shown, live) and len(later) == 2
    for weight, (live, average) in zip((4 / 5, 4 / 6), later, strict=True):
        assert torch.allclose(average, (1 - weight) * shown + weight * live)
        shown = average
    assert torch.equal(module[0].bias, shown)


def test_the_moving_average_remembers_a_share_of_any_training():
    for steps in (40, 4000):
        update, average = polynomial_average(3), torch.zeros(())
        for step in range(steps):
            average = update(average, torch.tensor(float(step)), torch.tensor(step))
        assert average / (steps - 1) == pytest.approx(4 / 5, abs=0.01)  # the mean of a weight that grows as the cube


def test_gradients_are_clipped():
    module = network()
    train(module, targets=TARGETS * 1000)
    norm = torch.stack([weight.grad.norm() for weight in module.parameters()]).norm()
    assert norm.item() == pytest.approx(1.0, abs=1e-4)


def test_one_seed_gives_one_result_and_learns():
    first, again, other = network(), network(), network()
    history = train(first)
    assert train(again).losses == history.losses and weights(again) == weights(first)
    assert train(other, seed=2).losses != history.losses and weights(other) != weights(first)
    assert history.losses[-1] < history.losses[0]


@pytest.mark.parametrize("killed_in", [(epoch, step) for epoch in range(3) for step in range(STEPS)])
def test_killed_at_any_step_and_resumed(tmp_path, killed_in):
    undisturbed, killed, resumed = network(), network(), network()
    history = train(undisturbed, validate=validated)
    with pytest.raises(KilledError):
        train(killed, killed_in=killed_in, checkpoint=tmp_path / "sum.pt", validate=validated)
    assert (tmp_path / "sum.pt").exists() == (killed_in[0] > 0)
    again = train(resumed, checkpoint=tmp_path / "sum.pt", validate=validated)
    assert again.validation == history.validation and len(history.validation) == 3
    assert weights(resumed) == weights(undisturbed)
    assert again.losses == history.losses and again.examples == history.examples == 3 * ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["sum.pt"]


def test_a_finished_training_is_not_done_again(tmp_path):
    first, second = network(), network()
    train(first, checkpoint=tmp_path / "sum.pt")
    history = train(second, checkpoint=tmp_path / "sum.pt", killed_in=(0, 0))
    assert weights(second) == weights(first) and len(history.losses) == 3


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"targets": TARGETS + 1}, {"schedule": replace(SCHEDULE, learning_rate=0.04)}],
    ids=["seed", "data", "rate"],
)
def test_a_checkpoint_of_another_training_is_ignored(tmp_path, other, capsys):
    train(network(), checkpoint=tmp_path / "sum.pt")
    with_checkpoint, without = network(), network()
    train(with_checkpoint, checkpoint=tmp_path / "sum.pt", **other)
    assert "checkpoint ignored" in capsys.readouterr().out
    train(without, **other)
    assert weights(with_checkpoint) == weights(without)


def gpu(monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "get_device_name", lambda device: "a GPU")
    here = device.arithmetic
    monkeypatch.setattr(device, "arithmetic", lambda _: here(torch.device("cuda")))


def other_processor(monkeypatch):
    monkeypatch.setattr(device.torch.backends.cpu, "get_cpu_capability", lambda: "another")


def more_threads(monkeypatch):
    monkeypatch.setattr(device.torch, "get_num_threads", lambda: 64)


def other_products(monkeypatch):
    monkeypatch.setattr(device, "product_type", lambda device: torch.float16)


@pytest.mark.parametrize("changed", [gpu, other_processor, more_threads, other_products])
def test_a_checkpoint_of_other_arithmetic_is_ignored(tmp_path, changed, capsys, monkeypatch):
    train(network(), checkpoint=tmp_path / "sum.pt")
    changed(monkeypatch)
    train(network(), checkpoint=tmp_path / "sum.pt")
    assert "checkpoint ignored" in capsys.readouterr().out


def test_a_broken_checkpoint_is_ignored_and_said_so(tmp_path, capsys):
    undisturbed, resumed = network(), network()
    train(undisturbed, checkpoint=tmp_path / "sum.pt")
    (tmp_path / "sum.pt").write_bytes((tmp_path / "sum.pt").read_bytes()[:1000])
    train(resumed, checkpoint=tmp_path / "sum.pt")
    assert "cannot be read" in capsys.readouterr().out
    assert weights(resumed) == weights(undisturbed)


def test_a_loss_that_is_no_number_stops_and_leaves_the_checkpoint_before(tmp_path):
    module, epochs = network(), []

    def batches(epoch):
        epochs.append(epoch)
        return [torch.full((1,), 1.0 if epoch == 0 else float("inf"))]

    with pytest.raises(DivergedError, match=r"poison: the loss is nan in epoch 2.*no checkpoint"):
        fit("poison", module, batches, lambda x: (module(INPUTS) * x).mean() * 0.0, 1, SCHEDULE, 1, tmp_path / "poison.pt")
    assert epochs == [0, 1]
    saved = torch.load(tmp_path / "poison.pt", weights_only=True)["state"]
    assert saved["history"]["losses"] == [0.0]
    assert all(value.isfinite().all() for value in saved["module"].values())


def test_the_share_of_time_spent_waiting_for_data(monkeypatch):
    now, module = [0.0], network()
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

    def takes(seconds, value):
        now[0] += seconds
        return value

    def loss(rows):
        return takes(1.0, module(INPUTS[rows]).square().mean()), len(rows)

    history = fit("slow", module, lambda epoch: (takes(3.0, torch.arange(6)) for _ in range(2)), loss, 2, SCHEDULE, 1)
    assert (history.seconds, history.data_share) == (3 * 2 * 4.0, 0.75)
    assert history.examples_per_second == 6 / 4


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 20])
def test_any_number_of_steps(steps):
    module = network()
    history = fit("short", module, lambda epoch: [0] * steps, lambda _: module(INPUTS).mean(), steps, Schedule(1, 0.1, 0.0), 1)
    assert history.examples == steps


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(ValueError, match="empty: there is nothing to train on"):
        fit("empty", network(), lambda epoch: [], lambda _: torch.zeros(()), 0, SCHEDULE, 1)
