"""Running dbt on the warehouse of the settings, as `cartwheel up`, the tests and people do (Airflow uses Cosmos)."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from cartwheel.settings import PROJECT_ROOT, get_settings

DBT_PROJECT = PROJECT_ROOT / "dbt_project"


def dbt_environment() -> dict[str, str]:
    """What `dbt_project/profiles.yml` reads: the parts of the warehouse's DSN."""
    parts = conninfo_to_dict(get_settings().postgres_dsn)
    return {
        "DBT_HOST": str(parts["host"]),
        "DBT_PORT": str(parts.get("port", 5432)),
        "DBT_USER": str(parts["user"]),
        "DBT_PASSWORD": str(parts.get("password", "")),
        "DBT_DATABASE": str(parts["dbname"]),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DO_NOT_TRACK": "true",
    }


def run_dbt(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a dbt command.

    Raises:
        SystemExit: dbt failed; its output has been shown, or stands in the message when captured.
    """
    result = subprocess.run(
        [str(Path(sysconfig.get_path("scripts")) / "dbt"), *arguments],
        env=os.environ | dbt_environment(), cwd=DBT_PROJECT, text=True, capture_output=capture,
    )  # fmt: skip
    if result.returncode:
        raise SystemExit(f"cartwheel: dbt {arguments[0]} failed\n{result.stdout or ''}{result.stderr or ''}".rstrip())
    return result


if __name__ == "__main__":
    run_dbt(*sys.argv[1:])
