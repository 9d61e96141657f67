"""The process supervisor (`supervisord`): starting it, talking to it, and stopping all it started."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPException
from xmlrpc.client import Fault, ServerProxy

import psutil

from cartwheel.local.config import LocalConfig, write_private
from cartwheel.local.services import SERVICES, common_environment
from cartwheel.settings import LOCAL_DIR, PROJECT_ROOT

CONFIG_FILE = LOCAL_DIR / "supervisord.conf"
LOG_DIR = LOCAL_DIR / "logs"
# Set by `services.main` for every process the platform runs, and inherited by whatever those start.
MARKER = "CARTWHEEL_SERVICE"


def proxy(config: LocalConfig):
    """Supervisor's own remote interface (XML-RPC)."""
    url = f"http://cartwheel:{config.secrets['supervisor']}@127.0.0.1:{config.ports['supervisor']}/RPC2"
    return ServerProxy(url).supervisor


def is_running(config: LocalConfig) -> bool:
    try:
        return proxy(config).getState()["statename"] in ("RUNNING", "RESTARTING")
    except (OSError, HTTPException, Fault):
        return False


def states(config: LocalConfig) -> dict[str, str]:
    """Service → RUNNING, STOPPED, BACKOFF …; empty when the supervisor does not run."""
    if not is_running(config):
        return {}
    return {info["name"]: info["statename"] for info in proxy(config).getAllProcessInfo()}


def start_supervisor(config: LocalConfig) -> None:
    """Start the supervisor, with all services stopped."""
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    write_private(CONFIG_FILE, _config_text(config))
    stop_leftovers()
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(CONFIG_FILE)],
        check=True, env=common_environment(), cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not is_running(config):
        if time.monotonic() > deadline:
            raise SystemExit(f"cartwheel: the supervisor did not start; see {LOG_DIR}/supervisord.log")
        time.sleep(0.1)


def start_service(config: LocalConfig, name: str) -> None:
    """Start one service, unless it runs."""
    if states(config).get(name) not in ("RUNNING", "STARTING"):
        proxy(config).startProcess(name, False)


def stop_all(config: LocalConfig) -> None:
    """Stop the services, last started first, then the supervisor, then whatever they left behind."""
    if is_running(config):
        for service in reversed(SERVICES):
            if states(config).get(service.name) in ("RUNNING", "STARTING", "BACKOFF"):
                proxy(config).stopProcess(service.name, True)
        proxy(config).shutdown()
        deadline = time.monotonic() + 30
        while is_running(config) and time.monotonic() < deadline:
            time.sleep(0.2)
    stop_leftovers()


def stop_leftovers() -> None:
    """End processes of this `.local/` whose supervisor is gone: first asked, then killed."""
    leftovers = [process for process in psutil.process_iter() if _is_ours(process)]
    postmaster = LOCAL_DIR / "postgres/postmaster.pid"
    if postmaster.exists():  # PostgreSQL overwrites its environment, but says who it is
        pid = int(postmaster.read_text().split("\n", 1)[0])
        if psutil.pid_exists(pid) and "postgres" in psutil.Process(pid).name():
            os.kill(pid, signal.SIGINT)
            leftovers.append(psutil.Process(pid))
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(leftovers, timeout=20)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _is_ours(process: psutil.Process) -> bool:
    try:
        environment = process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
    return MARKER in environment and environment.get("CARTWHEEL_LOCAL_DIR") == str(LOCAL_DIR)


def _config_text(config: LocalConfig) -> str:
    def value(text: object) -> str:
        return str(text).replace("%", "%%")

    programs = "".join(
        f"""
[program:{service.name}]
command={value(sys.executable)} -m cartwheel.local.services {service.name}
directory={value(PROJECT_ROOT)}
stdout_logfile={value(LOG_DIR / service.name)}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
redirect_stderr=true
autostart=false
autorestart=true
startsecs=1
startretries=5
stopsignal={service.stop_signal}
stopwaitsecs=30
stopasgroup={str(service.name != "postgres").lower()}
killasgroup=true
"""
        for service in SERVICES
    )
    return f"""; Written by `cartwheel up`.
[supervisord]
logfile={value(LOG_DIR / "supervisord.log")}
pidfile={value(LOCAL_DIR / "supervisord.pid")}
childlogdir={value(LOG_DIR)}

[inet_http_server]
port=127.0.0.1:{config.ports["supervisor"]}
username=cartwheel
password={config.secrets["supervisor"]}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
{programs}"""
