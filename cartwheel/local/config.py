"""What the embedded services need to agree on: ports, passwords, folders.

Chosen once, on the first start, and kept in `.local/cartwheel.env` and `.local/services.json` (mode 0600).
"""

import base64
import json
import os
import secrets
import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cartwheel.settings import LOCAL_DIR, LOCAL_ENV_FILE

HEADING = "# Written by `cartwheel up`; the environment overrides it.\n"
SERVICES_FILE = LOCAL_DIR / "services.json"
PORTS = ("postgres", "valkey", "s3", "mlflow", "airflow", "api", "supervisor")
SECRETS = ("postgres", "cartwheel", "airflow_db", "mlflow_db", "cartwheel_api", "cartwheel_explorer", "analyst", "valkey", "s3",
           "explorer", "airflow_admin", "airflow_jwt", "airflow_session", "supervisor", "user_key", "api_key")  # fmt: skip


@dataclass(frozen=True)
class LocalConfig:
    """Ports by service, secrets by purpose."""

    ports: dict[str, int]
    secrets: dict[str, str] = field(repr=False)
    fernet_key: str = field(repr=False)

    def postgres_dsn(self, role: str, database: str, secret: str | None = None) -> str:
        return f"postgresql://{role}:{self.secrets[secret or role]}@127.0.0.1:{self.ports['postgres']}/{database}"

    @property
    def api_key(self) -> str:
        """A key of the API with all scopes: see `cartwheel/api_keys.py`."""
        return f"cw_embedded_{self.secrets['api_key']}"

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nothing listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def load_config() -> LocalConfig | None:
    """The configuration of an earlier start, if there was one."""
    return LocalConfig(**json.loads(SERVICES_FILE.read_text())) if SERVICES_FILE.exists() else None


def ensure_config() -> LocalConfig:
    """The configuration, made on the first call; what that of an earlier version lacks is added."""
    LOCAL_DIR.mkdir(parents=True, exist_ok=True)
    config = load_config()
    if config is None:
        config = LocalConfig(
            ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
            secrets={},
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
    if missing := [name for name in SECRETS if name not in config.secrets]:
        config.secrets.update((name, secrets.token_hex(16)) for name in missing)
        write_private(SERVICES_FILE, json.dumps(asdict(config), indent=1))
    _complete_env_file(config)
    return config


def _complete_env_file(config: LocalConfig) -> None:
    """What stands in the file stays as it is."""
    text = LOCAL_ENV_FILE.read_text() if LOCAL_ENV_FILE.exists() else HEADING
    lines = {f"CARTWHEEL_{name.upper()}=": value for name, value in _settings_of(config).items()}
    missing = [name for name in lines if not any(line.startswith(name) for line in text.splitlines())]
    if missing:
        write_private(LOCAL_ENV_FILE, text + "".join(f"{name}{lines[name]}\n" for name in missing))


def _settings_of(config: LocalConfig) -> dict[str, str]:
    return {
        "postgres_dsn": config.postgres_dsn("cartwheel", "cartwheel"),
        "api_postgres_dsn": config.postgres_dsn("cartwheel_api", "cartwheel"),
        "explorer_postgres_dsn": config.postgres_dsn("cartwheel_explorer", "cartwheel"),
        "explorer_key": config.secrets["explorer"],
        "user_key_secret": config.secrets["user_key"],
        "redis_url": f"redis://:{config.secrets['valkey']}@127.0.0.1:{config.ports['valkey']}/0",
        "s3_endpoint_url": config.url("s3"),
        "s3_access_key_id": "cartwheel",
        "s3_secret_access_key": config.secrets["s3"],
        "lake_uri": f"file://{LOCAL_DIR}/s3/lake",
        "airflow_url": config.url("airflow"),
        "airflow_password": config.secrets["airflow_admin"],
        "mlflow_url": config.url("mlflow"),
        "api_url": config.url("api"),
        "api_key": config.api_key,
        "api_open_recommendations": "true",  # it listens on 127.0.0.1 only
        "api_oldest_event_days": "36500",  # the demo's shop is of 2017
    }
