"""The Spark session of the jobs, from the settings: `local[*]` here, a cluster where `CARTWHEEL_SPARK_MASTER` says so.

The jobs are the same on each: see docs/spark.md. Started by `spark-submit`, a job takes the master from there.
"""

import os
import sys

from pyspark import SparkConf
from pyspark.sql import SparkSession

from cartwheel.local.java import java_home
from cartwheel.settings import PROJECT_ROOT, Settings, get_settings
from cartwheel.spark import code_archive, is_local, launch_options

COMMON = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.driver.maxResultSize": "4g",  # the driver collects user × item matrices: 1.1 GB of 12 million pairs
    "spark.python.unix.domain.socket.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.adaptive.coalescePartitions.initialPartitionNum": "16",  # made fewer again where a shuffle is small
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
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # by spark-submit: its JVM runs already, and has a master
    conf = SparkConf()
    master = conf.get("spark.master", settings.spark_master) if submitted else settings.spark_master
    options = COMMON | (LOCAL if is_local(master) else {}) | s3_options(settings) | launch_options(settings)
    conf.setAll(list(options.items())).setMaster(master).setAppName(name)
    spark = SparkSession.builder.config(conf=conf).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    log_in_to_s3(spark, settings)
    if not is_local(master) and (PROJECT_ROOT / "spark_jobs").is_dir():  # no folder: this code came out of the archive itself
        spark.sparkContext.addPyFile(str(code_archive()))
    return spark


def s3_options(settings: Settings) -> dict[str, str]:
    """The S3 settings in Hadoop's words, without the credentials; none where the lake is not on s3a://."""
    if not settings.lake_uri.startswith("s3a://"):
        return {}
    options = {"spark.hadoop.fs.s3a.endpoint.region": settings.s3_region}
    if settings.s3_endpoint_url:
        options |= {
            "spark.hadoop.fs.s3a.endpoint": settings.s3_endpoint_url,
            "spark.hadoop.fs.s3a.path.style.access": "true",
        }
    return options


def log_in_to_s3(spark: SparkSession, settings: Settings) -> None:
    """Give the credentials to Hadoop inside the running JVM, which hands them to the executors with each task's plan.

    As options they would stand on the JVM's command line, in event logs and in the web page. Without a key in the settings
    Hadoop takes the machine's own AWS credentials.
    """
    if settings.lake_uri.startswith("s3a://") and settings.s3_access_key_id and settings.s3_secret_access_key:
        configuration = spark.sparkContext._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
        configuration.set("fs.s3a.access.key", settings.s3_access_key_id)
        configuration.set("fs.s3a.secret.key", settings.s3_secret_access_key)
