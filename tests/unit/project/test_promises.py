"""What the documents, the lock and the container files promise is so."""

import importlib.metadata
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from cartwheel.cli import app
from cartwheel.settings import PROJECT_ROOT, Settings

DOCUMENTS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
COMPOSE = yaml.safe_load((PROJECT_ROOT / "docker/compose.yaml").read_text())


def test_pyspark_is_the_only_owner_of_its_folder():
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("pyspark-client")


def test_the_lock_pins_everything_and_no_cuda():
    lines = [line for line in (PROJECT_ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 200
    for line in lines:
        assert re.match(r"^[a-z0-9.\-]+(\[[a-z0-9,\-]+\])?==[^+]+$", line), f"{line} is not pinned to a public version"
        assert not re.match(r"nvidia|cuda|triton|pyspark-client", line), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(document: Path):
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)\b", " ".join(re.findall(r"`[^`\n]+`|^make .*$", text, re.MULTILINE))):
        assert target in targets, f"{document.name} names `make {target}`"
    commands = set(get_command(app).commands)
    for command in re.findall(
        r"\bcartwheel ([a-z]+(?:-[a-z]+)*)\b", " ".join(re.findall(r"`[^`\n]+`|^\.venv/bin/.*$", text, re.MULTILINE))
    ):
        assert command in commands, f"{document.name} names `cartwheel {command}`"
    for module in re.findall(r"python -m ([a-z_.]+)", text):
        assert importlib.util.find_spec(module), f"{document.name} names `python -m {module}`"
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_every_setting_in_the_documents_exists():
    known = {f"CARTWHEEL_{name.upper()}" for name in Settings.model_fields}
    for document in DOCUMENTS:
        for name in re.findall(r"CARTWHEEL_[A-Z0-9_]+", document.read_text()):
            assert name in known, f"{document.name} names {name}"


def test_compose_sets_every_setting_that_has_no_default_and_no_other():
    shared, fields = COMPOSE["x-platform"]["environment"], Settings.model_fields
    assert {f"CARTWHEEL_{name.upper()}" for name, field in fields.items() if field.is_required()} <= shared.keys()
    given = {name for environment in (shared, COMPOSE["services"]["api"]["environment"]) for name in environment}
    assert {name for name in given if name.startswith("CARTWHEEL_")} <= {f"CARTWHEEL_{name.upper()}" for name in fields}


def test_the_events_that_composes_api_has_accepted_outlive_its_container():
    api = COMPOSE["services"]["api"]
    (volume,) = api["volumes"]
    name, folder = volume.split(":")
    assert name in COMPOSE["volumes"] and folder == api["environment"]["CARTWHEEL_API_JOURNAL_DIR"]
    made = folder.removeprefix("/opt/cartwheel/")
    assert re.search(rf"mkdir -p {re.escape(made)} && chown -R cartwheel", (PROJECT_ROOT / "docker/Dockerfile").read_text())


def test_every_role_that_compose_connects_as_is_made():
    text = (PROJECT_ROOT / "docker/compose.yaml").read_text()
    roles = set(re.findall(r"postgres(?:ql)?(?:\+\w+)?://(\w+):\$", text))
    made = set(re.findall(r"create role (\w+) login", (PROJECT_ROOT / "docker/postgres-init.sh").read_text()))
    assert "cartwheel_explorer" in roles and roles <= made


def test_compose_publishes_on_loopback_and_names_only_its_own_services():
    services = COMPOSE["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"
        assert set(service.get("depends_on", [])) <= set(services)


def test_every_value_compose_asks_for_is_in_the_example():
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", (PROJECT_ROOT / "docker/compose.yaml").read_text())) | {"AIRFLOW_PASSWORDS_JSON"}
    example = set(re.findall(r"^([A-Z0-9_]+)=$", (PROJECT_ROOT / "docker/.env.example").read_text(), re.MULTILINE))
    assert asked == example


def test_what_the_image_copies_is_there():
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", (PROJECT_ROOT / "docker/Dockerfile").read_text(), re.MULTILINE):
        for source in sources.split():
            assert (PROJECT_ROOT / source).exists(), source


def test_the_database_script_of_compose_is_a_valid_shell_script():
    subprocess.run(["sh", "-n", str(PROJECT_ROOT / "docker/postgres-init.sh")], check=True)
