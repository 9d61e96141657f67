"""A warehouse, a lake and a Redis of a test's own on the test services, so that it touches nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from cartwheel import lake, warehouse
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings

REDIS_DATABASE = 7
SECRET = "secret of the test"


@contextmanager
def own_warehouse(stores: LocalConfig, name: str, logs: Path) -> Iterator[None]:
    """The settings point to an empty warehouse, empty buckets and an empty Redis until the block is done."""
    patch = pytest.MonkeyPatch()
    identifier = sql.Identifier(name)
    bucket, landing = name.replace("_", "-"), name.replace("_", "-") + "-landing"
    with psycopg.connect(stores.postgres_dsn("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        admin.execute(sql.SQL("create database {} owner cartwheel").format(identifier))
        patch.setenv("CARTWHEEL_REDIS_URL", f"{get_settings().redis_url.rpartition('/')[0]}/{REDIS_DATABASE}")
        patch.setenv("CARTWHEEL_POSTGRES_DSN", stores.postgres_dsn("cartwheel", name, "cartwheel"))
        patch.setenv("CARTWHEEL_USER_KEY_SECRET", SECRET)
        patch.setenv("CARTWHEEL_LAKE_BUCKET", bucket)
        patch.setenv("CARTWHEEL_LANDING_BUCKET", landing)
        for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
            patch.setenv(variable, str(logs))
        get_settings.cache_clear()
        for each in (bucket, landing):
            remove_bucket(each)
            lake.s3_client().create_bucket(Bucket=each)
        warehouse.migrate()
        try:
            yield
        finally:
            redis.Redis.from_url(get_settings().redis_url).flushdb()
            for each in (bucket, landing):
                remove_bucket(each)
            patch.undo()
            get_settings.cache_clear()
            admin.execute(sql.SQL("drop database {} with (force)").format(identifier))


def remove_bucket(bucket: str) -> None:
    """Remove a bucket and what is in it, if it is there."""
    client = lake.s3_client()
    if bucket in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        for item in lake.list_objects(bucket):
            client.delete_object(Bucket=bucket, Key=item["Key"])
        client.delete_bucket(Bucket=bucket)
