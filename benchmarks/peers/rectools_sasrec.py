"""The peer of `benchmarks.train_speed`: RecTools' SASRec with a softmax over the whole catalogue, in an environment of its own.

python benchmarks/peers/rectools_sasrec.py SPLIT.npz LISTS.npy '{"width": 64, …}'

Prints the mean seconds of an epoch, from its first batch to its last; each user's best items go to the second file, -1 for none.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

split, output, settings = np.load(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
seconds: list[float] = []


class Clock(Callback):
    def on_train_epoch_start(self, trainer, module):
        seconds.append(-time.monotonic())

    def on_train_epoch_end(self, trainer, module):
        seconds[-1] += time.monotonic()


def trainer() -> Trainer:
    """As the model makes its own, with a clock."""
    epochs = settings["epochs"]
    return Trainer(
        max_epochs=epochs, min_epochs=epochs, devices=1, callbacks=[Clock()], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def dataset(part: str) -> Dataset:
    """The interactions of one part, a second apart in the order of the file."""
    users, items = split[f"{part}_users"], split[f"{part}_items"]
    times = pd.to_datetime(np.arange(len(users)), unit="s")
    return Dataset.construct(
        pd.DataFrame({Columns.User: users, Columns.Item: items, Columns.Weight: 1.0, Columns.Datetime: times})
    )


torch.set_num_threads(settings["threads"])
seed_everything(settings["seed"], verbose=False)
model = SASRecModel(
    n_factors=settings["width"],
    n_blocks=settings["blocks"],
    n_heads=settings["heads"],
    session_max_len=settings["length"],
    dropout_rate=settings["dropout"],
    lr=settings["learning_rate"],
    batch_size=settings["batch"],
    epochs=settings["epochs"],
    loss="softmax",
    get_trainer_func=trainer,
)
model.fit(dataset("train"))
measured, depth = np.unique(split["history_users"]), settings["depth"]
found = model.recommend(measured, dataset("history"), k=depth, filter_viewed=True, on_unsupported_targets="warn")
lists = np.full((len(measured), depth), -1)
lists[np.searchsorted(measured, found[Columns.User]), found[Columns.Rank] - 1] = found[Columns.Item]
np.save(output, lists)
print(np.mean(seconds))
