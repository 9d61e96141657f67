"""Airflow's REST API, as far as the platform needs it: trigger a run for a partition key, and see how it goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

import httpx

from cartwheel.settings import get_settings

# The chain, in the order of its assets.
CHAIN = ("ingest_events", "build_warehouse", "build_features", "train_ranker", "publish_recommendations")
UNFINISHED = ("queued", "running")


class AirflowError(RuntimeError):
    """Airflow cannot be reached, or refuses; the message says which and what to do."""


@dataclass(frozen=True)
class DagRun:
    dag_id: str
    run_id: str
    state: str
    partition_key: str | None
    queued_at: datetime
    duration_s: float | None


@dataclass(frozen=True)
class TaskRun:
    task_id: str
    state: str | None
    duration_s: float | None
    started_at: str | None


class AirflowClient:
    """Use `connect()` to make one."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def _call(self, method: str, path: str, **options) -> dict:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise AirflowError(f"Airflow does not answer at {self._http.base_url}: {error}. Run `cartwheel up`.") from error
        if answer.is_error:
            raise AirflowError(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def trigger(self, dag_id: str, day: date) -> DagRun:
        """Start a run of a DAG for a partition key."""
        body: dict[str, object] = {"logical_date": None, "partition_key": day.isoformat(), "conf": {}}
        return _dag_run(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def runs(self, dag_id: str, day: date) -> list[DagRun]:
        """The runs of a DAG for a partition key, newest first."""
        answer = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": 100})
        runs = (_dag_run(run) for run in answer["dag_runs"])
        return sorted((r for r in runs if r.partition_key == day.isoformat()), key=lambda r: r.queued_at, reverse=True)

    def run(self, run: DagRun) -> DagRun:
        """The run as it is now."""
        return _dag_run(self._call("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}"))

    def tasks(self, run: DagRun) -> list[TaskRun]:
        """The tasks of a run, in the order they started."""
        answer = self._call("GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances", params={"limit": 200})
        tasks = [TaskRun(t["task_id"], t["state"], t["duration"], t["start_date"]) for t in answer["task_instances"]]
        return sorted(tasks, key=lambda task: task.started_at or "~")

    def result(self, run: DagRun, task: TaskRun) -> object:
        """What a task returned; None if nothing."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task.task_id}/xcomEntries/return_value"
        try:
            return self._call("GET", path, params={"deserialize": "false", "stringify": "false"})["value"]
        except AirflowError:
            return None

    def log_tail(self, run: DagRun, task: TaskRun, lines: int = 12) -> str:
        """The last lines of a task's log."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task.task_id}/logs/1"
        content = self._call("GET", path).get("content", [])
        texts = [text for entry in content if isinstance(entry, dict) for text in _log_texts(entry)]
        return "\n".join(texts[-lines:])


@contextmanager
def connect() -> Iterator[AirflowClient]:
    """A client that has signed in as the settings' user.

    Raises:
        AirflowError: Airflow does not answer or refuses the password.
    """
    settings = get_settings()
    with httpx.Client(base_url=settings.airflow_url, timeout=30, trust_env=False) as http:
        client = AirflowClient(http)
        credentials = {"username": settings.airflow_user, "password": settings.airflow_password}
        http.headers["Authorization"] = f"Bearer {client._call('POST', '/auth/token', json=credentials)['access_token']}"
        yield client


def _log_texts(entry: dict) -> list[str]:
    """What a person wants to read of a log entry: the event, and the exception it came with."""
    exceptions = [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in entry.get("error_detail") or []]
    event = str(entry.get("event", "")).strip()
    return [text[:500] for text in (event, *exceptions) if text and not text.startswith("::")]


def _dag_run(run: dict) -> DagRun:
    queued = datetime.fromisoformat(run["queued_at"] or run["run_after"]).astimezone(UTC)
    return DagRun(run["dag_id"], run["dag_run_id"], run["state"], run.get("partition_key"), queued, run.get("duration"))
