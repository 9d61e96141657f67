"""Stands in for `benchmarks.ranker` in `benchmarks.train_speed`: the published SASRec, for a fixed number of epochs."""

import time

import torch

from benchmarks.leave_one_out import Scorer, Split
from benchmarks.rivals import sasrec, sequential


def timed_fit(split: Split, seed: int, settings: dict) -> tuple[Scorer, float]:
    """A scorer, and the seconds of all its epochs."""
    torch.manual_seed(seed)
    model = sasrec.SASRec(len(split.items), settings["length"], settings["dropout"]).to(sequential.device())
    codes, users = sequential.examples(split, settings["length"])
    loss = sasrec.loss_of(model, split)
    optimizer = torch.optim.Adam(model.parameters(), settings["learning_rate"], betas=(0.9, 0.98))
    started = time.monotonic()
    for _ in range(settings["epochs"]):
        model.train()
        sequential.epoch(loss, codes, users, optimizer)
    return sequential.scorer(model, settings["length"]), time.monotonic() - started
