"""Tests run on services of their own, under `.local/test`, so that they never touch the data of `.local`."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
os.environ["CARTWHEEL_LOCAL_DIR"] = os.environ.get("CARTWHEEL_TEST_DIR", str(PROJECT_ROOT / ".local/test"))

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import structlog  # noqa: E402

from cartwheel.local.config import LocalConfig, ensure_config  # noqa: E402
from cartwheel.local.java import java_home  # noqa: E402

hypothesis.settings.register_profile("cartwheel", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("cartwheel")
logging.getLogger("py4j").setLevel(logging.WARNING)  # it says goodbye when pytest has closed the streams already
ensure_config()
os.environ.setdefault("JAVA_HOME", str(java_home()))


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """What a test's program sets up for the log is not left to the next test, whose standard output is another."""
    yield
    structlog.reset_defaults()


def _running(stores_only: bool) -> Iterator[LocalConfig]:
    from rich.console import Console

    from cartwheel.local import lifecycle, supervisor

    config = ensure_config()
    started_here = not supervisor.is_running(config)
    lifecycle.up(Console(stderr=True), stores_only)
    yield config
    if started_here:
        lifecycle.down(Console(stderr=True))


@pytest.fixture(scope="session")
def stores() -> Iterator[LocalConfig]:
    """PostgreSQL, Valkey and S3, healthy. They are stopped at the end if this run started them."""
    yield from _running(stores_only=True)


@pytest.fixture(scope="session")
def services() -> Iterator[LocalConfig]:
    """All embedded services, healthy. They are stopped at the end if this run started them."""
    yield from _running(stores_only=False)
