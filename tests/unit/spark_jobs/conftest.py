"""One Spark session for all tests of the jobs."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.local.java import java_home
from spark_jobs.session import COMMON, LOCAL

sys.path.insert(0, str(Path(__file__).parent))  # the tests share `spark_jobs_shop`


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["PYSPARK_PYTHON"] = sys.executable
    few = {"spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2", "spark.driver.memory": "1g"}
    quick = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}  # for many queries on few rows
    builder = SparkSession.builder.master("local[2]").appName("tests")
    session = builder.config(map=COMMON | LOCAL | few | quick).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def frame(spark: SparkSession) -> Callable[..., DataFrame]:
    """Makes a frame of a lake dataset from dictionaries; columns left out are null."""

    def make(dataset: str, rows: list[dict]) -> DataFrame:
        return spark.createDataFrame(pa.Table.from_pylist(rows, LAKE_SCHEMAS[dataset]))

    return make
