"""The one training loop of all stages and benchmarks.

AdamW (Loshchilov, Hutter 2019) under a one-cycle schedule (Smith, Topin 2018), with clipped gradients and a moving
average of the weights where a stage asks for them. What is random in an epoch is drawn from (seed, epoch) alone: so one seed
gives one result, and a run that was killed goes on at its last whole epoch and ends with the same bits. What is on the
GPU, compiled or spread over processes is decided in `training.device`.

    history = fit("scorer", scorer, batches, loss, steps_per_epoch=100, schedule=Schedule(4, 2e-3, 0.02), seed=17)
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import structlog
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

from training import checkpoints, device

log = structlog.get_logger()

Batch = TypeVar("Batch")
Loss = Callable[[Batch], Tensor | tuple[Tensor, int]]
RISE = 25  # the schedule begins at this part of the highest learning rate
LOOK_EVERY_STEPS = 50  # at the loss: looking makes the host wait for the GPU
LOG_EVERY_SECONDS = 30.0


class DivergedError(RuntimeError):
    """The loss is no longer a number: training has stopped, and its last checkpoint is of the epoch before."""


@dataclass(frozen=True)
class Schedule:
    """How the weights move. Rates are per step; the learning rate rises to its highest, then falls as a cosine."""

    epochs: int
    learning_rate: float  # the highest
    weight_decay: float  # of what has two dimensions or more (matrices, tables); vectors (biases, norms) do not decay
    warm_up: float = 0.1  # share of the steps on which the learning rate rises
    clip: float | None = None  # the largest norm of all gradients together
    average: int | None = None  # power of the moving average that becomes the result; None: the last weights do
    final: float = 4e-6  # the last learning rate, as a share of the highest


@dataclass
class History:
    """How a training went; a resumed one counts from its beginning."""

    losses: list[float] = field(default_factory=list)  # mean per epoch, on the training data
    seconds: float = 0.0  # in the epochs; evaluation is left out
    waited: float = 0.0  # of these, seconds that the loop waited for its next batch
    examples: int = 0
    validation: list[float] = field(default_factory=list)  # loss after each epoch on data that is not trained on, if measured

    @property
    def data_share(self) -> float:
        """The share of the time that the loop waited for data: near 0, the data never starves the device."""
        return self.waited / self.seconds if self.seconds else 0.0

    @property
    def examples_per_second(self) -> float:
        return self.examples / self.seconds if self.seconds else 0.0


def generator(seed: int, *place: int) -> torch.Generator:
    """A source of random numbers for one place in a training, such as its epoch: independent of all others."""
    return torch.Generator().manual_seed(_mixed(seed, *place))


def polynomial_average(power: int) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """A moving average that remembers the last 1 / (power + 1) of the steps so far, however many they are.

    Shamir and Zhang, ICML 2013, equation 4. An exponential one would remember the first weights of a short training.
    """

    def update(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        return average.lerp(current, (power + 1) / (int(count) + 1 + power))

    return update


def fit(
    name: str,
    module: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    loss: Loss[Batch],
    steps_per_epoch: int,
    schedule: Schedule,
    seed: int,
    checkpoint: Path | None = None,
    data: Sequence[Tensor | np.ndarray] = (),
    validate: Callable[[Any], float] | None = None,
) -> History:
    """Train `module` in place, on the device it is on; it ends in evaluation mode, with the averaged weights if asked for.

    Args:
        name: what the log calls it.
        batches: the `steps_per_epoch` batches of an epoch (from 0), the same whenever it is called for the same epoch.
            Each of several processes trains on every n-th batch.
        loss: the mean loss of a batch, and of how many examples (one unless given). It may use `module` in any way.
        checkpoint: where the state lies after every epoch; a checkpoint of the same training is gone on from.
        data: what the batches are made of: a checkpoint of other data is ignored.
        validate: the loss of the weights that would be the result, on data that is not trained on. It is asked after each
            epoch, in the first process alone, and not again for epochs that a checkpoint holds.

    Raises:
        DivergedError: the loss became NaN or infinite.
        ValueError: there are no batches.
    """
    if steps_per_epoch < 1:
        raise ValueError(f"{name}: there is nothing to train on")
    device.set_up()
    rounds = math.ceil(steps_per_epoch / device.processes())
    state = _State(module, schedule, rounds)
    identity = ""
    if checkpoint is not None:
        machine = device.arithmetic(next(module.parameters()).device)
        plan = [asdict(schedule), seed, steps_per_epoch, device.processes(), machine]
        identity = checkpoints.fingerprint(plan, *module.state_dict().values(), *data)
        saved = device.from_first(checkpoints.load(checkpoint, identity) if device.is_first() else None)
        if saved is not None:
            state.load(saved)
            _log(name, resumed=f"{len(state.history.losses)}/{schedule.epochs} epochs", checkpoint=str(checkpoint))
    device.compile_if_worth_it(module, rounds * schedule.epochs)
    objective = device.shared(_Objective(module, loss))
    while len(state.history.losses) < schedule.epochs:
        epoch = len(state.history.losses)
        torch.manual_seed(_mixed(seed, epoch, device.rank()))  # for dropout
        module.train()
        _train_epoch(name, objective, _share(batches, epoch, rounds), rounds, state)
        if validate is not None:
            state.history.validation.append(device.from_first(_validated(validate, state.result) if device.is_first() else 0.0))
            _log(name, epoch=f"{epoch + 1}/{schedule.epochs}", validation_loss=round(state.history.validation[-1], 5))
        if checkpoint is not None and device.is_first():
            checkpoints.save(checkpoint, identity, state.saved())
    module.load_state_dict(state.result.state_dict())
    module.eval()
    return state.history


@torch.no_grad()
def _validated(validate: Callable[[Any], float], shown: nn.Module) -> float:
    with device.autocast(next(shown.parameters()).device):
        return validate(shown.eval())


class _Objective(nn.Module):
    """A loss as a module, which is what gradients are shared by among processes."""

    def __init__(self, module: nn.Module, loss: Loss[Any]):
        super().__init__()
        self.module, self.loss = module, loss
        self.where = next(module.parameters()).device

    def forward(self, batch: Any) -> tuple[Tensor, int]:
        with device.autocast(self.where):
            value = self.loss(batch)
        return value if isinstance(value, tuple) else (value, 1)


class _State:
    """All that a step changes, and a checkpoint holds."""

    def __init__(self, module: nn.Module, schedule: Schedule, rounds: int):
        self.module, self.schedule, self.history = module, schedule, History()
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in module.parameters() if weight.ndim > 1], "weight_decay": schedule.weight_decay},
            {"params": [weight for weight in module.parameters() if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate)
        steps = max(rounds * schedule.epochs, 3)  # OneCycleLR divides by the steps of its two parts, less one
        rise = max(schedule.warm_up, 2 / steps)
        final = 1 / (RISE * schedule.final)
        highest = schedule.learning_rate
        self.rate = OneCycleLR(self.optimizer, highest, steps, pct_start=rise, div_factor=RISE, final_div_factor=final)
        self.average = None
        if schedule.average is not None:
            self.average = AveragedModel(module, avg_fn=polynomial_average(schedule.average))

    @property
    def result(self) -> nn.Module:
        """The module whose weights the training would end with now."""
        return self.module if self.average is None else self.average.module

    def step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.schedule.clip is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.clip)
        self.optimizer.step()
        self.rate.step()
        if self.average is not None:
            self.average.update_parameters(self.module)

    def _parts(self) -> dict[str, Any]:
        parts = {"module": self.module, "optimizer": self.optimizer, "rate": self.rate}
        return parts if self.average is None else parts | {"average": self.average}

    def saved(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()} | {"history": asdict(self.history)}

    def load(self, saved: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.history = History(**saved["history"])


def _train_epoch(name: str, objective: nn.Module, batches: Iterable[Any], rounds: int, state: _State) -> None:
    """One pass over this process's batches; adds to the history, and logs at its end and every so often."""
    history, epoch = state.history, len(state.history.losses)
    steps, before = rounds * state.schedule.epochs, rounds * epoch
    sums = torch.zeros(2, dtype=torch.float64, device=next(state.module.parameters()).device)  # of losses, of examples
    started = logged = time.monotonic()
    waited, step = history.waited, 0

    def report() -> None:
        seconds = time.monotonic() - started
        _log(
            name,
            epoch=f"{epoch + 1}/{state.schedule.epochs}",
            step=f"{before + step}/{steps}",
            loss=round(mean, 5),
            steps_per_s=round(step / seconds, 1),
            left_s=round((steps - before - step) * seconds / step),
            data_share=round((history.waited - waited) / seconds, 3),
        )

    for step, batch in enumerate(_timed(batches, history), 1):
        value, count = objective(batch)
        state.step(value)
        sums += torch.stack([value.detach().double() * count, torch.full_like(sums[1], count)])
        if step % LOOK_EVERY_STEPS == 0 and step < rounds:
            mean, _ = _mean(name, sums, f"epoch {epoch + 1}, by step {step} of {rounds}")
            if time.monotonic() - logged > LOG_EVERY_SECONDS:
                report()
                logged = time.monotonic()
    mean, examples = _mean(name, sums, f"epoch {epoch + 1}, by its end")
    report()
    history.losses.append(mean)
    history.examples += examples
    history.seconds += time.monotonic() - started


def _mean(name: str, sums: Tensor, where: str) -> tuple[float, int]:
    """The mean loss so far, and the number of examples, over all processes; stops if it is no number."""
    loss, examples = device.total(sums.clone()).tolist()
    if not math.isfinite(loss):
        raise DivergedError(
            f"{name}: the loss is {loss} in {where}. Look for extreme values in the features of the training cut-offs,"
            " or lower the learning rate; no checkpoint of this epoch was written."
        )
    return loss / examples, int(examples)


def _share(batches: Callable[[int], Iterable[Batch]], epoch: int, rounds: int) -> Iterator[Batch]:
    """This process's batches of an epoch, `rounds` of them: where they do not come out even, the first ones come again."""
    processes = device.processes()
    again = itertools.chain.from_iterable(batches(epoch) for _ in range(processes))
    return itertools.islice(again, device.rank(), rounds * processes, processes)


def _timed(batches: Iterable[Batch], history: History) -> Iterator[Batch]:
    """The same batches; the time that each took to come is added to `history.waited`."""
    ahead = iter(batches)
    while True:
        asked = time.monotonic()
        batch = next(ahead, None)
        history.waited += time.monotonic() - asked
        if batch is None:
            return
        yield batch


def _mixed(*numbers: int) -> int:
    """One seed of several numbers; neighbours have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _log(event: str, **values: Any) -> None:
    if device.is_first():
        log.info(event, **values)
