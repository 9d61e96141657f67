"""A warehouse and a lake of their own, so that building them touches nothing else."""

import psycopg
import pytest
from psycopg import sql

from cartwheel import lake, warehouse
from cartwheel.settings import get_settings

NAME = "cartwheel_test_warehouse"


@pytest.fixture(scope="module")
def empty_warehouse(stores, tmp_path_factory):
    """The settings point to an empty warehouse and an empty lake bucket until the module is done."""
    patch = pytest.MonkeyPatch()
    bucket = NAME.replace("_", "-")
    identifier = sql.Identifier(NAME)
    with psycopg.connect(stores.postgres_dsn("postgres", "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        admin.execute(sql.SQL("create database {} owner cartwheel").format(identifier))
        patch.setenv("CARTWHEEL_POSTGRES_DSN", stores.postgres_dsn("cartwheel", NAME, "cartwheel"))
        patch.setenv("CARTWHEEL_USER_KEY_SECRET", "secret of the test")
        patch.setenv("CARTWHEEL_LAKE_BUCKET", bucket)
        for variable in ("DBT_TARGET_PATH", "DBT_LOG_PATH"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("dbt")))
        get_settings.cache_clear()
        empty_bucket(bucket)
        lake.s3_client().create_bucket(Bucket=bucket)
        warehouse.migrate()
        yield
        empty_bucket(bucket)
        patch.undo()
        get_settings.cache_clear()
        admin.execute(sql.SQL("drop database {} with (force)").format(identifier))


def empty_bucket(bucket: str) -> None:
    """Remove a bucket and what is in it, if it is there."""
    client = lake.s3_client()
    if bucket in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        for item in lake.list_objects(bucket):
            client.delete_object(Bucket=bucket, Key=item["Key"])
        client.delete_bucket(Bucket=bucket)
