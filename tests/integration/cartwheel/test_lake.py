"""Partitions of the lake are whole or not there."""

import io
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.settings import get_settings

DAY = date(1999, 2, 1)


@pytest.fixture(autouse=True)
def clean(stores):
    yield
    lake.delete("test", DAY)
    lake.delete("interactions", DAY)


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


def test_a_column_that_the_contract_did_not_have_yet_is_null():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"item_id": ["milk", "tea"], "event_id": ["e1", "e2"]}), buffer)
    bucket, prefix = get_settings().lake_bucket, lake.partition_prefix("interactions", DAY)
    for name, body in (("part.parquet", buffer.getvalue()), ("_SUCCESS", b"")):
        lake.s3_client().put_object(Bucket=bucket, Key=prefix + name, Body=body)
    found = lake.read("interactions", DAY)
    assert found.schema.equals(LAKE_SCHEMAS["interactions"])
    assert found["event_id"].to_pylist() == ["e1", "e2"] and found["device"].to_pylist() == [None, None]
    assert lake.read("interactions", DAY, columns=["device", "item_id"]).to_pydict() == {
        "device": [None, None], "item_id": ["milk", "tea"],
    }  # fmt: skip
    assert lake.read("interactions", DAY, columns=["device"]).num_rows == 2


def test_what_lacks_a_column_of_the_contract_is_not_current():
    dataset = "candidates/als"
    table = LAKE_SCHEMAS[dataset].empty_table()
    assert not lake.is_current(dataset, DAY)
    lake.write(dataset, DAY, table)
    assert lake.is_current(dataset, DAY)
    buffer = io.BytesIO()
    pq.write_table(table.drop_columns("score"), buffer)
    lake.s3_client().put_object(
        Bucket=get_settings().lake_bucket, Key=lake.partition_prefix(dataset, DAY) + "part-00000.parquet", Body=buffer.getvalue()
    )
    assert not lake.is_current(dataset, DAY)
    lake.delete(dataset, DAY)
