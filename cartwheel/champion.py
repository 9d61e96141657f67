"""Which version of the ranker serves a date. Training promotes versions, publishing loads them: both ask here.

MLflow's alias `champion` names the version that serves now. A date before that version's own is served by the newest
version that had passed the gate by then, so that building an old date again does not use a model of its future.
"""

from datetime import date
from typing import TYPE_CHECKING, Any

from cartwheel.settings import get_settings
from cartwheel.threads import spare_cores

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODEL = "ranker"
ALIAS = "champion"
DATE_TAG = "partition_date"
GATE_TAG, PASSED = "gate", "passed"
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow answers either for a missing alias


class NoChampionError(LookupError):
    """The registry has no version that may serve the date."""


def registry_client() -> "MlflowClient":
    """MLflow's client on the settings' server."""
    import mlflow

    mlflow.set_tracking_uri(get_settings().mlflow_url)
    return mlflow.MlflowClient()


def load_version(version: str) -> Any:
    """A registered version, ready to score: the `Ranker` of training/model.py as it was then."""
    import mlflow

    registry_client()
    spare_cores()
    return mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").unwrap_python_model()


def trained_for(version: "ModelVersion") -> date:
    """The partition date a version was trained for."""
    return date.fromisoformat(version.tags[DATE_TAG])


def current_champion() -> "ModelVersion | None":
    """The version with the alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        return registry_client().get_model_version_by_alias(MODEL, ALIAS)
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        return None


def registered_versions() -> "list[ModelVersion]":
    """All versions in the registry."""
    return list(registry_client().search_model_versions(f"name = '{MODEL}'", max_results=1000))


def champion_for(day: date) -> "ModelVersion | None":
    """The version that serves a date: trained for it or an earlier one."""
    current = current_champion()
    if current is None or trained_for(current) <= day:
        return current
    passed = [v for v in registered_versions() if v.tags.get(GATE_TAG) == PASSED and trained_for(v) <= day]
    return max(passed, key=lambda v: (trained_for(v), int(v.version)), default=None)


def champion_version(day: date) -> str:
    """The number of the version that serves a date.

    Raises:
        NoChampionError: there is none.
    """
    found = champion_for(day)
    if found is None:
        raise NoChampionError(f"no version of {MODEL!r} serves {day}: none was trained by then, or the gate refused it")
    return str(found.version)
