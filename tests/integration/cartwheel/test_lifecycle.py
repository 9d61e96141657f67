"""The embedded services as a person or a script sees them."""

import json
import os
import signal
import socket
import stat
import time

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from cartwheel.cli import app
from cartwheel.local import lifecycle, supervisor
from cartwheel.settings import LOCAL_DIR, get_settings


def test_status_env_and_doctor(services):
    run = CliRunner().invoke
    status = run(app, ["status", "--json"])
    assert status.exit_code == 0
    assert {row["service"]: row["healthy"] for row in json.loads(status.stdout)}["postgres"] is True
    lines = dict(line.split("=", 1) for line in run(app, ["env"]).stdout.splitlines())
    assert {"POSTGRES_DSN", "REDIS_URL", "S3_ENDPOINT_URL", "AIRFLOW_URL", "MLFLOW_URL", "API_URL"} <= set(lines)
    doctor = run(app, ["doctor"])
    assert doctor.exit_code == 0, doctor.stdout


@pytest.mark.parametrize("day", ["yesterday", "2017-13-01", "20171201"])
def test_a_wrong_date_is_said_in_one_line_with_exit_code_2(services, day):
    result = CliRunner().invoke(app, ["run", day])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1 and "YYYY-MM-DD" in result.stderr


def test_everything_listens_on_loopback_only(services):
    ours = [process for process in psutil.process_iter() if supervisor._is_ours(process)]
    assert len(ours) >= 6
    for process in ours:
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1"), f"{process.name()} listens on {connection.laddr}"


def test_files_with_secrets_are_private(services):
    for name in ("cartwheel.env", "services.json", "supervisord.conf", "valkey.conf", "airflow/passwords.json"):
        assert stat.S_IMODE((LOCAL_DIR / name).stat().st_mode) == 0o600, name
    command_lines = " ".join(" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    for name, secret in services.secrets.items():
        assert secret not in command_lines, f"the secret {name} stands in a command line"


def test_a_killed_service_comes_back_with_its_data(services):
    with psycopg.connect(get_settings().postgres_dsn) as connection:
        connection.execute("create table if not exists ops.survives (x int)")
        connection.execute("insert into ops.survives values (1)")
    pid = supervisor.proxy(services).getProcessInfo("postgres")["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(get_settings().postgres_dsn, connect_timeout=2) as connection:
                assert connection.execute("select x from ops.survives").fetchone() == (1,)
                connection.execute("drop table ops.survives")
                break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not come back"
            time.sleep(0.5)


def test_up_again_changes_nothing(services):
    from rich.console import Console

    before = {info["name"]: info["pid"] for info in supervisor.proxy(services).getAllProcessInfo()}
    for service in lifecycle.SERVICES:
        lifecycle.wait_healthy(services, service)
    lifecycle.up(Console(quiet=True))
    assert {info["name"]: info["pid"] for info in supervisor.proxy(services).getAllProcessInfo()} == before


def test_a_foreign_process_is_never_ours():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        assert not supervisor._is_ours(psutil.Process())
