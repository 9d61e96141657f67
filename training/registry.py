"""The model registry (MLflow), as training uses it: when a model is due, reading a version, logging a new one and its losses."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

from cartwheel.champion import (
    GATE_TAG,
    MODEL,
    PASSED,
    champion_for,
    load_version,
    registered_versions,
    registry_client,
    trained_for,
)
from cartwheel.settings import get_settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from training.model import Ranker

EXPERIMENT = "ranker"
LOSS = "_loss"
MODEL_FILE = Path(__file__).with_name("model.py")


def needs_training(day: date) -> str | None:
    """Why a model should be trained for `day`; None if there is a champion, and the last one that was judged is young enough.

    A challenger that was refused counts as well: trying every day until one passes would make luck the judge.
    """
    champion = champion_for(day)
    if champion is None:
        return f"there is no champion for {day}"
    judged = (each for each in registered_versions() if GATE_TAG in each.tags and trained_for(each) <= day)
    last, every = max([champion, *judged], key=trained_for), get_settings().train_every_days
    age = (day - trained_for(last)).days
    if age < every:
        return None
    return f"the last training, version {last.version}, is of {trained_for(last)}, {age} days ago (limit {every})"


def champion_before(version: "ModelVersion") -> "ModelVersion | None":
    """The champion before a version: the newest before it that had passed the gate, for its date or earlier."""
    before = [
        other
        for other in registered_versions()
        if int(other.version) < int(version.version) and other.tags.get(GATE_TAG) == PASSED
    ]
    earlier = [other for other in before if trained_for(other) <= trained_for(version)]
    return max(earlier, key=lambda other: (trained_for(other), int(other.version)), default=None)


def load(version: str) -> "Ranker":
    """A registered version, ready to score."""
    return load_version(version)


def log_model(folder: Path, registered: bool) -> str | None:
    """Log what `Ranker.save` wrote into the current run; returns the new version if `registered`."""
    info = mlflow.pyfunc.log_model(
        name=MODEL,
        python_model=str(MODEL_FILE),
        artifacts={"model": str(folder)},
        registered_model_name=MODEL if registered else None,
        pip_requirements=["mlflow", "numpy", "polars", "pyarrow", "torch"],
    )
    return str(info.registered_model_version) if registered else None


def log_losses(losses: dict[str, list[float]]) -> None:
    """Log to the current run the loss of each epoch, by what it is of (`encoder`, `scorer`, `encoder_validation`)."""
    for name, values in losses.items():
        for epoch, value in enumerate(values, start=1):
            mlflow.log_metric(name + LOSS, value, step=epoch)


def losses(run_id: str) -> dict[str, list[float]]:
    """What `log_losses` wrote to a run."""
    client = registry_client()
    names = [name for name in sorted(client.get_run(run_id).data.metrics) if name.endswith(LOSS)]
    histories = {name: sorted(client.get_metric_history(run_id, name), key=lambda metric: metric.step) for name in names}
    return {name.removesuffix(LOSS): [metric.value for metric in history] for name, history in histories.items()}
