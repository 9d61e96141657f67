"""Partitions of the lake are whole or not there."""

from datetime import date

import pyarrow as pa
import pytest

from cartwheel import lake
from cartwheel.settings import get_settings

DAY = date(1999, 2, 1)


@pytest.fixture(autouse=True)
def clean(stores):
    yield
    lake.delete("test", DAY)


def test_what_is_written_is_read_back_and_writing_again_replaces_it():
    lake.write("test", DAY, pa.table({"a": [1, 2]}))
    lake.write("test", DAY, pa.table({"a": [3]}))
    assert lake.read("test", DAY).to_pydict() == {"a": [3]}
    assert DAY in lake.complete_dates("test")


def test_an_incomplete_partition_is_not_read():
    lake.write("test", DAY, pa.table({"a": [1]}))
    lake.s3_client().delete_object(Bucket=get_settings().lake_bucket, Key="test/date=1999-02-01/_SUCCESS")
    with pytest.raises(lake.MissingPartitionError, match="test/date=1999-02-01/ is missing or incomplete"):
        lake.read("test", DAY)
    assert not lake.exists("test", DAY)
