"""Every benchmark can be started: a name that another file no longer has shows here, not on the day of the measurement."""

import importlib
from pathlib import Path

import pytest

from cartwheel.settings import PROJECT_ROOT

FOLDERS = ("benchmarks", "benchmarks/rivals")  # the peers have environments of their own
MODULES = sorted(
    f"{folder.replace('/', '.')}.{path.stem}" for folder in FOLDERS for path in Path(PROJECT_ROOT, folder).glob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name):
    importlib.import_module(name)
