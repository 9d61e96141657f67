"""Every benchmark can be started: a name that another file no longer has shows here, not on the day of the measurement."""

import importlib
from pathlib import Path

import pytest

from cartwheel.settings import PROJECT_ROOT

MODULES = sorted(path.stem for path in Path(PROJECT_ROOT, "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name):
    importlib.import_module(f"benchmarks.{name}")
