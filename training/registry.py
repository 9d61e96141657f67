"""The model registry (MLflow), as training uses it: when a model is due, reading a version, logging a new one."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

from cartwheel.champion import MODEL, champion_for, registry_client, trained_for
from cartwheel.settings import get_settings

if TYPE_CHECKING:
    from training.model import Ranker

EXPERIMENT = "ranker"
MODEL_FILE = Path(__file__).with_name("model.py")


def needs_training(day: date) -> str | None:
    """Why a model should be trained for `day`; None if the champion is young enough."""
    found = champion_for(day)
    if found is None:
        return f"there is no champion for {day}"
    trained, every = trained_for(found), get_settings().train_every_days
    age = (day - trained).days
    return f"champion {found.version} is of {trained}, {age} days old (limit {every})" if age >= every else None


def load(version: str) -> "Ranker":
    """A registered version, ready to score."""
    registry_client()
    return mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").unwrap_python_model()


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
