"""Running dbt on the warehouse of the settings, one build at a time, as `cartwheel up`, the tests and people do.

    python -m cartwheel.dbt build --vars "{partition_date: '2017-12-01'}"
    python -m cartwheel.dbt build --full-refresh        all dates anew, after models have changed

dbt runs inside this process, which also holds the lock: when it ends, however it ends, so do both. Airflow runs dbt
through Cosmos and takes the same lock; a build without it is refused by `dbt_project/macros/lock.sql`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from psycopg.conninfo import conninfo_to_dict

from cartwheel import warehouse
from cartwheel.settings import PROJECT_ROOT, get_settings

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
CHANGES_TABLES = {"build", "run", "test", "seed", "snapshot", "retry", "clone"}

log = structlog.get_logger()


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


@contextmanager
def build_lock(name: str) -> Iterator[None]:
    """Only one dbt build at a time: another one is named in the log and waited for.

    The lock belongs to a connection of this process and is gone with it. dbt finds the connection's server process in
    CARTWHEEL_DBT_LOCK, and refuses to build when that does not hold the lock.
    """
    with warehouse.connect(autocommit=True, application_name=f"{name}, process {os.getpid()}"[:63]) as connection:
        if connection.execute("select pg_try_advisory_lock(hashtext('cartwheel.dbt'))").fetchone() != (True,):
            holders = connection.execute(
                "select application_name from pg_locks inner join pg_stat_activity using (pid)"
                " where locktype = 'advisory' and granted and classid = (hashtext('cartwheel.dbt')::bigint >> 32) & 4294967295"
                " and objid = hashtext('cartwheel.dbt')::bigint & 4294967295"
            ).fetchall()
            log.info("another dbt build is running: waiting for it to end", running=", ".join(who for (who,) in holders))
            connection.execute("select pg_advisory_lock(hashtext('cartwheel.dbt'))")
        os.environ["CARTWHEEL_DBT_LOCK"] = str(connection.info.backend_pid)
        try:
            yield
        finally:
            del os.environ["CARTWHEEL_DBT_LOCK"]


def run_dbt(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a dbt command in a process of its own.

    Raises:
        SystemExit: dbt failed; its output has been shown, or stands in the message when captured.
    """
    result = subprocess.run([sys.executable, "-m", "cartwheel.dbt", *arguments], text=True, capture_output=capture)
    if result.returncode:
        raise SystemExit(f"cartwheel: dbt {arguments[0]} failed\n{result.stdout or ''}{result.stderr or ''}".rstrip())
    return result


def main() -> None:
    from dbt.cli.main import dbtRunner

    arguments = sys.argv[1:]
    os.environ |= dbt_environment()
    os.chdir(DBT_PROJECT)
    if CHANGES_TABLES.isdisjoint(arguments):
        result = dbtRunner().invoke(arguments)
    else:
        with build_lock("dbt " + " ".join(arguments)):
            result = dbtRunner().invoke(arguments)
    if result.exception is not None:
        raise SystemExit(f"dbt {arguments[0] if arguments else ''}: {result.exception}")
    raise SystemExit(0 if result.success else 1)


if __name__ == "__main__":
    main()
