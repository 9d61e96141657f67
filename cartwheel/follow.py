"""Running the chain for a business date, and telling what happens while it does."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from cartwheel.airflow_client import CHAIN, UNFINISHED, AirflowClient, DagRun, TaskRun
from cartwheel.contracts import parse_partition_key

HANDOVER_TIMEOUT_S = 180
POLL_S = 1.0
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


class ChainError(RuntimeError):
    """A DAG of the chain failed or did not start; the message names it."""


@dataclass
class ChainReport:
    """Seconds per DAG, as Airflow counted them, and in all."""

    day: date
    dag_seconds: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def run_chain(client: AirflowClient, day: date, tell: Callable[[str], None]) -> ChainReport:
    """Trigger the chain for a date, or join the run that is under way, and follow it to its end.

    Raises:
        ChainError: a DAG failed (with the end of the failing task's log), or the next one did not start.
        AirflowError: Airflow does not answer.
    """
    under_way = [run for dag_id in CHAIN for run in client.runs(dag_id, day)[:1] if run.state in UNFINISHED]
    if under_way:
        tell(f"{under_way[0].dag_id} is under way for {day}: following it")
        try:
            return _follow_chain(client, under_way[0], tell)
        except ChainError as error:  # it may have been interrupted: what it left is replaced
            tell(f"{error}\nStarting over.")
    return _follow_chain(client, client.trigger(CHAIN[0], day), tell)


def _follow_chain(client: AirflowClient, run: DagRun, tell: Callable[[str], None]) -> ChainReport:
    started = time.monotonic()
    day = parse_partition_key(run.partition_key or "")
    report = ChainReport(day)
    for dag_id in CHAIN[CHAIN.index(run.dag_id) :]:
        if run.dag_id != dag_id:
            run = _await_next(client, dag_id, day, since=run.queued_at)
        run = _follow_run(client, run, tell)
        report.dag_seconds[dag_id] = run.duration_s or 0.0
    report.seconds = time.monotonic() - started
    return report


def _await_next(client: AirflowClient, dag_id: str, day: date, since: datetime) -> DagRun:
    """The run that the asset of the DAG before started."""
    deadline = time.monotonic() + HANDOVER_TIMEOUT_S
    while time.monotonic() < deadline:
        newer = [run for run in client.runs(dag_id, day) if run.queued_at >= since]
        if newer:
            return newer[0]
        time.sleep(POLL_S)
    raise ChainError(f"{dag_id} did not start for {day} within {HANDOVER_TIMEOUT_S} s: is it paused? Is the scheduler up?")


def _follow_run(client: AirflowClient, run: DagRun, tell: Callable[[str], None]) -> DagRun:
    told: set[tuple[str, str]] = set()
    while True:
        run = client.run(run)
        for task in client.tasks(run):
            event = (task.task_id, task.state or "")
            if event in told or task.state not in (*ENDED, "running", "up_for_retry"):
                continue
            told.add(event)
            tell(_line(client, run, task))
        if run.state not in UNFINISHED:
            break
        time.sleep(POLL_S)
    if run.state != "success":
        failed = [task for task in client.tasks(run) if task.state == "failed"]
        tail = client.log_tail(run, failed[0]) if failed else ""
        name = f"{run.dag_id}.{failed[0].task_id}" if failed else run.dag_id
        raise ChainError(f"{name} failed for {run.partition_key}; the release that was served goes on being served.\n{tail}")
    return run


def _line(client: AirflowClient, run: DagRun, task: TaskRun) -> str:
    name = f"{run.dag_id}.{task.task_id}"
    if task.state == "running":
        return f"{name} …"
    seconds = f"{task.duration_s:.1f} s" if task.duration_s is not None else ""
    result = client.result(run, task) if task.state == "success" else None
    figures = (
        ", ".join(f"{key} {value:,}" for key, value in result.items() if isinstance(value, int))
        if isinstance(result, dict)
        else ""
    )
    return "  ".join(part for part in (f"{name} {task.state}", seconds, figures) if part)
