"""Train the encoder on bare sequences of items: each position names the item that comes next.

What the public benchmarks measure, and what a shop without groups, brands and times would train. Everything follows from
the data's size by `settings_for`; nothing is set per data set.

    encoder = fit(sequences, items, settings_for(sequences, items), seed=1)
    scores = next_items(encoder, histories)
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training import device, loop
from training.model import Encoder
from training.softmax import catalogue_loss
from training.spectral import spectral_vectors

LONGEST = 200
HISTORY_QUANTILE = 0.99  # of the users' whole histories fit
STEPS_PER_EPOCH = 64  # at least, as far as steps of 256 items go
Batch = tuple[Tensor, Tensor, torch.Generator]


@dataclass(frozen=True)
class Settings:
    """Size and regularisation of an encoder, and how it is trained."""

    length: int
    dropout: float
    width: int = 128
    layers: int = 2
    heads: int = 2
    temperature: float = 0.07
    epochs: int = 16
    learning_rate: float = 4e-3
    items_per_step: int = 4096


def settings_for(sequences: Sequence[np.ndarray], items: int) -> Settings:
    """The settings for data of this size: the fewer times an item is seen, the more dropout; small data in small steps."""
    lengths = np.array([len(own) for own in sequences])
    seen, steps = lengths.sum() / items, lengths.sum() / STEPS_PER_EPOCH
    return Settings(
        length=int(np.clip(np.quantile(lengths, HISTORY_QUANTILE), 10, LONGEST)),
        dropout=round(float(np.clip(0.5 - 0.1 * math.log2(max(seen, 1) / 16), 0.2, 0.5)), 2),
        items_per_step=int(np.clip(2 ** round(math.log2(max(steps, 1))), 256, 4096)),
    )


def fit(sequences: Sequence[np.ndarray], items: int, settings: Settings, seed: int) -> tuple[Encoder, loop.History]:
    """Train an encoder on item numbers (from 0) in the order of time, a sequence a user.

    Raises:
        ValueError: no sequence has two items.
    """
    device.set_up()
    torch.manual_seed(seed)
    shape = {name: getattr(settings, name) for name in ("width", "layers", "heads", "dropout", "length", "temperature")}
    encoder = Encoder([items + 1], **shape)
    with torch.no_grad():  # code 0 pads
        encoder.tables[0][1:] = encoder.SPREAD * spectral_vectors(sequences, items, settings.width, seed)
    where = device.chosen()
    encoder.to(where)
    windows = [window for own in sequences for window in _windows(own + 1, settings.length + 1)]
    if not windows:
        raise ValueError("there is no user with two items: nothing follows anything")
    counts = np.bincount(np.concatenate([window[1:] for window in windows]), minlength=items + 1)[1:]
    share = torch.from_numpy(counts / counts.sum()).float().to(where)
    everything = torch.arange(1, items + 1, device=where)[:, None]
    lengths = np.array([len(window) - 1 for window in windows])
    bounds = _bounds(lengths, settings.items_per_step)

    def batches(epoch: int) -> Iterator[Batch]:
        generator = loop.generator(seed, epoch)
        for rows in _of_like_length(lengths, bounds, np.random.default_rng([seed, epoch])):
            padded = np.zeros((len(rows), lengths[rows].max() + 1), np.int64)
            for place, row in enumerate(rows):
                padded[place, : lengths[row] + 1] = windows[row]
            codes = torch.from_numpy(padded).to(where)
            yield codes[:, :-1], codes[:, 1:], generator

    def loss(batch: Batch) -> tuple[Tensor, int]:
        codes, following, generator = batch
        known = following > 0
        states = encoder(codes[..., None])[known]
        targets = (following[known] - 1)[:, None]
        vectors, bias = encoder.vectors(everything), encoder.bias.weight[1:, 0]
        weights = torch.ones_like(targets, dtype=torch.float32)
        return catalogue_loss(encoder.scale * states, vectors, bias, targets, weights, share, generator), len(targets)

    schedule = loop.Schedule(settings.epochs, settings.learning_rate, weight_decay=0.0, warm_up=0.05, clip=5.0, final=0.02)
    return encoder, loop.fit("next item", encoder, batches, loss, len(bounds) - 1, schedule, seed)


@torch.no_grad()
def next_items(encoder: Encoder, histories: Sequence[np.ndarray]) -> np.ndarray:
    """How likely each item (numbers from 0) follows each history: logits [histories, items]."""
    encoder.eval()
    where = encoder.bias.weight.device
    longest = min(max(len(own) for own in histories), encoder.length)
    codes = np.zeros((len(histories), longest), np.int64)
    for row, own in enumerate(histories):
        codes[row, : len(own[-longest:])] = own[-longest:] + 1
    last = torch.from_numpy((codes > 0).sum(1) - 1).clamp(min=0).to(where)
    states = encoder(torch.from_numpy(codes).to(where)[..., None])[torch.arange(len(codes), device=where), last]
    everything = torch.arange(1, len(encoder.bias.weight), device=where)[:, None]
    return encoder.logits(states, everything).cpu().numpy()


def _windows(own: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """A sequence in pieces of at most `length` from its end; each but the last begins with the item that the next ends on."""
    end = len(own)
    while end > 1:
        yield own[max(0, end - length) : end]
        end = end - length + 1


def _bounds(lengths: np.ndarray, items_per_step: int) -> list[int]:
    """Where to cut rows, sorted by length, into batches of at most `items_per_step` items with their padding."""
    cuts, in_order = [0], np.sort(lengths)
    for place, longest in enumerate(in_order):
        if place > cuts[-1] and (place + 1 - cuts[-1]) * longest > items_per_step:
            cuts.append(place)
    return [*cuts, len(lengths)]


def _of_like_length(lengths: np.ndarray, bounds: list[int], random: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows in batches, cut at `bounds`: those of like length together, blurred so that other rows meet in every epoch."""
    order = np.argsort(lengths * random.uniform(1, 1.1, len(lengths)) + random.random(len(lengths)), kind="stable")
    for index in random.permutation(len(bounds) - 1):
        yield order[bounds[index] : bounds[index + 1]]
