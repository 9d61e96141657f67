"""The Spark session of the jobs, from the settings: `local[*]` here, a cluster where `CARTWHEEL_SPARK_MASTER` says so."""

import os
import sys

from pyspark.sql import SparkSession

from cartwheel.local.java import java_home
from cartwheel.settings import get_settings

COMMON = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.default.parallelism": "4",
    # One folder a date: listing them here is quicker than in tasks.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # Plain files: checksum files beside them would go stale when the object store replaces an object.
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}


def spark_session(name: str) -> SparkSession:
    """The session of this process; `spark_conf` of the settings has the last word on every option."""
    settings = get_settings()
    os.environ.setdefault("JAVA_HOME", str(java_home()))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else its workers take the first python3 on the path
    options = COMMON | (LOCAL if settings.spark_master.startswith("local") else {})
    options |= {"spark.driver.memory": settings.spark_driver_memory} | settings.spark_conf
    builder = SparkSession.builder.appName(name).master(settings.spark_master)
    for option, value in options.items():
        builder = builder.config(option, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
