"""Stage 1: train the encoder to name what a user will buy in the weeks after a visit.

At the end of a visit, the targets are purchases drawn from the next `label_window_days`; the loss is a softmax over the
whole catalogue. Only histories up to the earliest training cut-off are seen, so the encoder's scores are honest features
at every later cut-off: its weights stay, the histories grow.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import structlog
import torch

from training import loop
from training.model import KINDS, Encoder, Ranker, histories, item_codes
from training.softmax import catalogue_loss
from training.spectral import spectral_vectors

log = structlog.get_logger()

SCHEDULE = loop.Schedule(epochs=8, learning_rate=2e-3, weight_decay=0.01, clip=1.0)
USERS_PER_STEP = 24
VISITS_PER_USER = 8  # positions per user and epoch that the loss looks at
TARGETS = 16  # purchases drawn per position
REPEAT_WEIGHT = 0.3  # of a target that the user had bought before: the features know those better
MAX_HISTORY = 512  # what the lake keeps


def vocabulary(sequences: pl.DataFrame, items: pl.DataFrame, minimum: int) -> dict[str, list[str]]:
    """Items bought at least `minimum` times in the histories, and all their groups and brands."""
    counts = sequences.select(pl.col("item_ids").explode()).drop_nulls().to_series().value_counts(name="count")
    seen = items.join(counts, left_on="item_id", right_on="item_ids")
    known = {kind: seen[kind].drop_nulls().unique().sort().to_list() for kind in KINDS[1:]}
    return {"item_id": seen.filter(pl.col("count") >= minimum)["item_id"].sort().to_list()} | known


def train_encoder(
    ranker: Ranker,
    sequences: pl.DataFrame,
    items: pl.DataFrame,
    seed: int,
    epochs: int | None = None,
    checkpoint: Path | None = None,
) -> loop.History:
    """Train `ranker.encoder` on histories (features/sequences of the earliest cut-off).

    A shop where no visit has another one within the label window teaches it nothing: it stays as it began, with each
    item's popularity, and the history is empty.
    """
    torch.manual_seed(seed)
    device, config = ranker.device, ranker.config
    ranker.build_encoder()
    encoder = ranker.encoder
    past = histories(sequences, items, config["vocabulary"], MAX_HISTORY)
    share = start_from_histories(encoder, past["codes"][..., 0], seed).to(device)
    codes, days = past["codes"].to(device), past["days"].to(device)
    horizon, first, ends = (torch.from_numpy(part).to(device) for part in _targets(past, config["label_window_days"]))
    catalogue = item_codes(
        pl.DataFrame({"item_id": config["vocabulary"]["item_id"]}).join(items, on="item_id", how="left", maintain_order="left"),
        config["vocabulary"],
    ).to(device)
    users = torch.nonzero(ends.any(1))[:, 0].cpu()
    if len(users) == 0:
        log.warning("the encoder stays as it began", reason=f"no visit has another within {config['label_window_days']} days")
        encoder.eval()
        return loop.History()

    def batches(epoch: int) -> Iterator[tuple[torch.Tensor, torch.Generator]]:
        generator = loop.generator(seed, epoch)  # draws on the CPU, so that a GPU sees the same examples
        for batch in users[torch.randperm(len(users), generator=generator)].split(USERS_PER_STEP):
            yield batch, generator

    def loss(batch: tuple[torch.Tensor, torch.Generator]) -> tuple[torch.Tensor, int]:
        drawn, generator = batch
        value = _loss(encoder, drawn, codes, days, horizon, first, ends, catalogue, share, config["length"], generator)
        return value, len(drawn)

    schedule = replace(SCHEDULE, epochs=epochs or SCHEDULE.epochs)
    steps, data = math.ceil(len(users) / USERS_PER_STEP), (codes, days, horizon, first, ends)
    return loop.fit("encoder", encoder, batches, loss, steps, schedule, seed, checkpoint, data)


def start_from_histories(encoder: Encoder, bought: torch.Tensor, seed: int) -> torch.Tensor:
    """Start with each item's bias at the logarithm of its purchases, and its vector at the spectrum of what it is bought with.

    `bought` is item codes [users, length]; returns each known item's share of the purchases [items].
    """
    counts = torch.bincount(bought.reshape(-1), minlength=len(encoder.bias.weight)).float()[2:]
    popularity, table = torch.log1p(counts), encoder.tables[0]
    sequences = [own[own > 1].numpy() - 2 for own in bought]
    with torch.no_grad():
        encoder.bias.weight[2:, 0] = (popularity - popularity.mean()).to(table.device)
        table[2:] = Encoder.SPREAD * spectral_vectors(sequences, len(counts), table.shape[1], seed).to(table.device)
    return counts / counts.sum().clamp(min=1)


def _targets(past: dict, window_days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per position [users, length]: where its window ends, where its item was first bought, whether it ends a visit."""
    events, (users, length) = past["events"], past["days"].shape
    place = pl.col("place")
    events = events.with_columns(
        first=place.min().over("user", "item_ids"),
        ends=(pl.col("session_ids") != pl.col("session_ids").shift(-1).over("user")).fill_null(True),
    )
    user, at = events["user"].to_numpy(), events["place"].to_numpy()
    first, ends, horizon = (
        np.zeros((users, length), np.int64),
        np.zeros((users, length), bool),
        np.zeros((users, length), np.int64),
    )
    first[user, at], ends[user, at] = events["first"].to_numpy(), events["ends"].to_numpy()
    days, counts = past["days"].numpy(), past["counts"].numpy()
    for row in range(users):
        known = days[row, : counts[row]]
        horizon[row, : counts[row]] = np.searchsorted(known, known + window_days, side="right")
    return horizon, first, ends & (horizon > np.arange(length) + 1)


def _loss(encoder, batch, codes, days, horizon, first, ends, catalogue, share, length, generator) -> torch.Tensor:
    """Softmax loss of one batch of users, each seen through a random stretch of `length` purchases."""
    device, full = codes.device, codes.shape[1]

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    user = batch.to(device)[:, None]
    counts = (codes[user[:, 0], :, 0] > 0).sum(1)
    offset = (draw(len(batch)) * ((counts - length).clamp(min=0) + 1)).long()
    places = offset[:, None] + torch.arange(min(length, full), device=device)
    inside, places = places < full, places.clamp(max=full - 1)
    usable = ends[user, places] & inside
    picked = (draw(*usable.shape) * usable).topk(min(VISITS_PER_USER, usable.shape[1]), dim=1).indices
    chosen = usable.gather(1, picked)
    states = encoder(codes[user, places] * inside[..., None], days[user, places])
    states = states[torch.arange(len(batch), device=device)[:, None], picked][chosen]
    at, owner = places.gather(1, picked)[chosen], user.expand_as(picked)[chosen]
    after = (horizon[owner, at] - at - 1)[:, None]
    drawn = at[:, None] + 1 + (draw(len(at), TARGETS) * after).long().clamp(max=after - 1)
    target = codes[owner[:, None], drawn, 0]
    weight = torch.where(first[owner[:, None], drawn] > at[:, None], 1.0, REPEAT_WEIGHT) * (target > 1)
    vectors, bias = encoder.vectors(catalogue), encoder.bias.weight[2:, 0]
    return catalogue_loss(encoder.scale * states, vectors, bias, (target - 2).clamp(min=0), weight, share, generator)
