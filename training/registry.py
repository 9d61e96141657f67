"""The model registry (MLflow): versions of `ranker`, the alias `champion`, and when a new one is due."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from cartwheel.settings import get_settings

if TYPE_CHECKING:
    from training.model import Ranker

MODEL = "ranker"
EXPERIMENT = "ranker"
CHAMPION = "champion"
DATE_TAG = "partition_date"
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow answers either for a missing alias
MODEL_FILE = Path(__file__).with_name("model.py")


def client() -> mlflow.MlflowClient:
    """MLflow's client on the settings' server."""
    mlflow.set_tracking_uri(get_settings().mlflow_url)
    return mlflow.MlflowClient()


def champion() -> ModelVersion | None:
    """The version with the alias `champion`, if there is one."""
    try:
        return client().get_model_version_by_alias(MODEL, CHAMPION)
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        return None


def champion_version() -> str:
    """The champion's version number.

    Raises:
        LookupError: there is no champion.
    """
    found = champion()
    if found is None:
        raise LookupError("there is no champion: the gate refused the first model, or none was trained yet")
    return str(found.version)


def needs_training(day: date) -> str | None:
    """Why a model should be trained for `day`; None if the champion is young enough."""
    found = champion()
    if found is None:
        return "there is no champion"
    trained, every = date.fromisoformat(found.tags[DATE_TAG]), get_settings().train_every_days
    age = (day - trained).days
    return f"champion {found.version} is of {trained}, {age} days old (limit {every})" if age >= every else None


def load(version: str) -> "Ranker":
    """A registered version, ready to score."""
    client()
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
