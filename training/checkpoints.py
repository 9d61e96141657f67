"""Checkpoints: one file per stage of a training run, whole or not there, and only ever used for the same training.

`save` writes beside the file and renames, so a killed process leaves the checkpoint before or the one after. `load` gives
back only what carries the same fingerprint: a hash over everything that decides the outcome.
"""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from torch import Tensor

log = structlog.get_logger()


def fingerprint(*parts: Any) -> str:
    """One hash over tensors, arrays and what JSON can write, and over the code of this package and torch's version."""
    digest = hashlib.blake2b(torch.__version__.encode(), digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for part in parts:
        values = part.detach().cpu().numpy() if isinstance(part, Tensor) else part
        if isinstance(values, np.ndarray):
            digest.update(f"{values.dtype}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        else:
            digest.update(json.dumps(values, sort_keys=True).encode())
    return digest.hexdigest()


def save(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`: after a crash or a power cut, either the old or the new one is there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with beside.open("wb") as file:
        torch.save({"fingerprint": fingerprint, "state": state}, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """What `save` wrote; None, and the log says why, if it is of another training or no checkpoint. Tensors are on the CPU."""
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        log.warning("checkpoint ignored", path=str(path), reason=f"it cannot be read: {error}")
        return None
    if saved["fingerprint"] != fingerprint:
        log.warning("checkpoint ignored", path=str(path), reason="it is of other data, configuration, seed, code or machine")
        return None
    return saved["state"]
