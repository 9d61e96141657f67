"""`cartwheel up`, `down` and `status`: the embedded services as a whole."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from cartwheel.local import setup, supervisor
from cartwheel.local.config import LocalConfig, ensure_config, load_config
from cartwheel.local.services import SERVICES, Service
from cartwheel.settings import LOCAL_DIR

HEALTH_TIMEOUT_S = 180
STORES = ("postgres", "valkey", "s3")


@contextmanager
def _only_one() -> Iterator[None]:
    """One `up` or `down` at a time for a `.local/`; a second one waits."""
    LOCAL_DIR.mkdir(parents=True, exist_ok=True)
    with open(LOCAL_DIR / "lifecycle.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(console: Console, stores_only: bool = False) -> LocalConfig:
    """Start what does not run yet, and wait until every part is healthy; `stores_only`: PostgreSQL, Valkey and S3.

    Raises:
        SystemExit: a part did not become healthy; the message names its log.
    """
    with _only_one():
        config = ensure_config()
        wanted = [service for service in SERVICES if service.name in STORES or not stores_only]
        if all(is_healthy(config, service) for service in wanted):
            console.print("All services are up.")
            return config
        _step(console, "PostgreSQL files", lambda: setup.prepare_postgres(config))
        setup.prepare_valkey(config)
        setup.prepare_s3()
        if not supervisor.is_running(config):
            supervisor.start_supervisor(config)
        for name in STORES:
            supervisor.start_service(config, name)
        for name in STORES:
            _step(console, name, partial(wait_healthy, config, _service(name)))
        _step(console, "databases and roles", lambda: setup.prepare_databases(config))
        if stores_only:
            return config
        supervisor.start_service(config, "mlflow")
        _step(console, "Airflow database", lambda: setup.prepare_airflow(config))
        rest = [service for service in SERVICES if service.name not in STORES]
        for service in rest:
            supervisor.start_service(config, service.name)
        for service in rest:
            _step(console, service.name, partial(wait_healthy, config, service))
    return config


def down(console: Console) -> None:
    """Stop every process of this `.local/`, and nothing else. The data stays."""
    with _only_one():
        config = load_config()
        if config is None:
            console.print("Nothing to stop: no services were ever started here.")
            return
        supervisor.stop_all(config)
        console.print("All services are stopped; the data stays in .local/.")


def status() -> list[tuple[str, str, bool, str]]:
    """(service, supervisor's state, healthy, address) for every service."""
    config = load_config()
    if config is None:
        return [(service.name, "never started", False, "") for service in SERVICES]
    states = supervisor.states(config)
    return [
        (service.name, states.get(service.name, "STOPPED").lower(), is_healthy(config, service), service.url(config) or "")
        for service in SERVICES
    ]


def is_healthy(config: LocalConfig, service: Service) -> bool:
    try:
        return service.healthy(config)
    except Exception:  # any failure to answer means not healthy; wait_healthy reports it
        return False


def wait_healthy(config: LocalConfig, service: Service) -> None:
    """Wait until a service answers."""
    deadline = time.monotonic() + HEALTH_TIMEOUT_S
    while not is_healthy(config, service):
        state = supervisor.states(config).get(service.name, "STOPPED")
        if state in ("FATAL", "EXITED") or time.monotonic() > deadline:
            raise SystemExit(f"cartwheel: {service.name} is {state.lower()}; see {supervisor.LOG_DIR}/{service.name}.log")
        time.sleep(0.25)


def _service(name: str) -> Service:
    return next(service for service in SERVICES if service.name == name)


def _step(console: Console, label: str, work: Callable[[], None]) -> None:
    started = time.monotonic()
    with console.status(f"{label} …"):
        work()
    console.print(f"  [green]✓[/] {label}  [dim]{time.monotonic() - started:.1f} s[/]")
