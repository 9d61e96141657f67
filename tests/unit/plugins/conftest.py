"""Plugins as Airflow loads them: their folder is on the path."""

import importlib.util
import os
import sys
from types import ModuleType

import pytest

from cartwheel.settings import PROJECT_ROOT


@pytest.fixture(scope="session")
def load_plugin(tmp_path_factory):
    """A function that loads one file of plugins/."""
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    folder = PROJECT_ROOT / "plugins"
    sys.path.append(str(folder))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_plugin", folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    sys.path.remove(str(folder))
