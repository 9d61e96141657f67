"""The configuration of the embedded services outlives a new version of the platform."""

import json
import stat

import pytest

from cartwheel.local import config
from cartwheel.local.config import ensure_config


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "LOCAL_DIR", tmp_path)
    monkeypatch.setattr(config, "SERVICES_FILE", tmp_path / "services.json")
    monkeypatch.setattr(config, "LOCAL_ENV_FILE", tmp_path / "cartwheel.env")
    return tmp_path


def test_made_once_and_then_kept(folder):
    made = ensure_config()
    files = [(path, path.read_text()) for path in sorted(folder.iterdir())]
    assert ensure_config() == made
    assert [(path, path.read_text()) for path, _ in files] == files
    assert {stat.S_IMODE(path.stat().st_mode) for path, _ in files} == {0o600}


def test_what_an_earlier_version_lacks_is_added_and_the_rest_stays(folder):
    made = ensure_config()
    known = json.loads((folder / "services.json").read_text())
    del known["secrets"]["explorer"]
    (folder / "services.json").write_text(json.dumps(known))
    lines = [line for line in (folder / "cartwheel.env").read_text().splitlines() if "EXPLORER" not in line]
    (folder / "cartwheel.env").write_text("\n".join([*lines, "CARTWHEEL_LIST_SIZE=20"]) + "\n")

    upgraded = ensure_config()
    assert len(upgraded.secrets.pop("explorer")) == 32
    assert upgraded.secrets == {name: secret for name, secret in made.secrets.items() if name != "explorer"}
    text = (folder / "cartwheel.env").read_text().splitlines()
    assert text[: len(lines) + 1] == [*lines, "CARTWHEEL_LIST_SIZE=20"]
    assert sorted(line.split("=")[0] for line in text[len(lines) + 1 :]) == [
        "CARTWHEEL_EXPLORER_KEY", "CARTWHEEL_EXPLORER_POSTGRES_DSN",
    ]  # fmt: skip
