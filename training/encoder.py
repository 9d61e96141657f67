"""Stage 1: train the encoder to name what a user will buy in the weeks after a visit.

At the end of a visit, the targets are purchases drawn from the next `label_window_days`; the loss is a softmax over the
whole catalogue. Only histories up to the earliest training cut-off are seen, so the encoder's scores are honest features
at every later cut-off: its weights stay, the histories grow.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

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
VALIDATION_USERS = 480
MAX_HISTORY = 512  # what the lake keeps


def vocabulary(sequences: pl.DataFrame, items: pl.DataFrame, minimum: int) -> dict[str, list[str]]:
    """Items bought at least `minimum` times in the histories, and all their groups and brands."""
    counts = sequences.select(pl.col("item_ids").explode()).drop_nulls().to_series().value_counts(name="count")
    seen = items.join(counts, left_on="item_id", right_on="item_ids")
    known = {kind: seen[kind].drop_nulls().unique().sort().to_list() for kind in KINDS[1:]}
    return {"item_id": seen.filter(pl.col("count") >= minimum)["item_id"].sort().to_list()} | known


class Visits(NamedTuple):
    """Purchases of users, oldest first, and what the loss has to know of each [users, length]."""

    codes: torch.Tensor  # [users, length, kinds], 0 as padding
    days: torch.Tensor
    horizon: torch.Tensor  # where the label window of its time ends
    first: torch.Tensor  # where its item was first bought
    ends: torch.Tensor  # whether it ends a visit that is followed by another within the window

    @property
    def users(self) -> torch.Tensor:
        """Those from whom there is something to learn."""
        return torch.nonzero(self.ends.any(1))[:, 0].cpu()


def train_encoder(
    ranker: Ranker,
    sequences: pl.DataFrame,
    items: pl.DataFrame,
    seed: int,
    epochs: int | None = None,
    checkpoint: Path | None = None,
    later: pl.DataFrame | None = None,
) -> loop.History:
    """Train `ranker.encoder` on histories (features/sequences of the earliest cut-off).

    With the histories of a `later` cut-off, each epoch also notes the loss of some users' visits since the earliest one.
    A shop where no visit has another one within the label window teaches it nothing: it stays as it began, with each
    item's popularity, and the history is empty.
    """
    torch.manual_seed(seed)
    device, config = ranker.device, ranker.config
    ranker.build_encoder()
    encoder = ranker.encoder
    visits = _visits(sequences, items, ranker, MAX_HISTORY)
    share = start_from_histories(encoder, visits.codes[..., 0].cpu(), seed).to(device)
    catalogue = item_codes(
        pl.DataFrame({"item_id": config["vocabulary"]["item_id"]}).join(items, on="item_id", how="left", maintain_order="left"),
        config["vocabulary"],
    ).to(device)
    users = visits.users
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
        return _loss(encoder, drawn, visits, catalogue, share, config["length"], generator), len(drawn)

    def validate(module: Encoder) -> float:
        generator = loop.generator(seed, schedule.epochs)  # the same draws after every epoch
        parts = held_out.users[:VALIDATION_USERS].split(USERS_PER_STEP)
        losses = [_loss(module, part, held_out, catalogue, share, config["length"], generator).item() for part in parts]
        return float(np.average(losses, weights=[len(part) for part in parts]))

    schedule = replace(SCHEDULE, epochs=epochs or SCHEDULE.epochs)
    last = sequences.select(pl.col("event_ts").list.max().max()).item()
    held_out = _visits(sequences.clear() if later is None else later, items, ranker, config["length"], since=last)
    steps, has_later = math.ceil(len(users) / USERS_PER_STEP), len(held_out.users) > 0
    return loop.fit("encoder", encoder, batches, loss, steps, schedule, seed, checkpoint, visits, validate if has_later else None)


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


def _visits(sequences: pl.DataFrame, items: pl.DataFrame, ranker: Ranker, length: int, since: datetime | None = None) -> Visits:
    """The last `length` purchases of each user; with `since`, only later visits have something to teach."""
    past = histories(sequences, items, ranker.config["vocabulary"], length)
    place, window_days = pl.col("place"), ranker.config["label_window_days"]
    events = past["events"].with_columns(
        first=place.min().over("user", "item_ids"),
        ends=(pl.col("session_ids") != pl.col("session_ids").shift(-1).over("user")).fill_null(True)
        & (pl.lit(True) if since is None else pl.col("event_ts") > since),
    )
    user, at = events["user"].to_numpy(), events["place"].to_numpy()
    horizon, first, ends = (np.zeros(past["days"].shape, kind) for kind in (np.int64, np.int64, bool))
    first[user, at], ends[user, at] = events["first"].to_numpy(), events["ends"].to_numpy()
    for row, (days, count) in enumerate(zip(past["days"].numpy(), past["counts"].tolist(), strict=True)):
        horizon[row, :count] = np.searchsorted(days[:count], days[:count] + window_days, side="right")
    ends &= horizon > np.arange(length) + 1
    known = (torch.from_numpy(part) for part in (horizon, first, ends))
    return Visits(*(part.to(ranker.device) for part in (past["codes"], past["days"], *known)))


def _loss(encoder, batch, visits, catalogue, share, length, generator) -> torch.Tensor:
    """Softmax loss of one batch of users, each seen through a random stretch of `length` purchases."""
    codes, days, horizon, first, ends = visits
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
