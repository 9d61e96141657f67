"""The lake as the jobs see it: datasets at `<lake_uri>/<dataset>/date=<date>/`, with the schemas of the contracts."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.lake import MissingPartitionError
from cartwheel.settings import get_settings
from spark_jobs.history import candidate_catalogue, in_last, purchase_history, with_consent
from spark_jobs.partitions import partitions_of

SORTED_BY = ("user_key", "rank", "subcategory", "category", "day", "context", "value", "item_id")


class Lake:
    """Reads and writes the lake in one Spark session; keeps the history of the date at work in memory."""

    def __init__(self, spark: SparkSession, root: str, min_item_purchases: int, history_days: int = 365, holidays: str = "us"):
        self.spark = spark
        self.root = root.rstrip("/")
        self.min_item_purchases = min_item_purchases
        self.history_days = history_days
        self.holidays = holidays
        self._kept: dict[tuple[str, date], DataFrame] = {}

    @classmethod
    def of_settings(cls, spark: SparkSession) -> "Lake":
        settings = get_settings()
        return cls(spark, settings.lake_uri, settings.min_item_purchases, settings.history_days, settings.holidays)

    def path(self, dataset: str, day: date) -> str:
        return f"{self.root}/{dataset}/date={day.isoformat()}"

    def read(self, dataset: str, day: date) -> DataFrame:
        """One partition.

        Raises:
            MissingPartitionError: it is missing or incomplete.
        """
        if not self._exists(f"{self.path(dataset, day)}/_SUCCESS"):
            raise MissingPartitionError(f"{self.path(dataset, day)} is missing or incomplete: run the chain for {day} first")
        return self.spark.read.schema(from_arrow_schema(LAKE_SCHEMAS[dataset])).parquet(self.path(dataset, day))

    def read_window(self, dataset: str, day: date, days: int) -> DataFrame:
        """The partitions of the `days` that end with a date, as one frame; older ones are not even listed.

        Raises:
            MissingPartitionError: that of the date itself is missing or incomplete.
        """
        self.read(dataset, day)
        base, first = f"{self.root}/{dataset}", day - timedelta(days=days - 1)
        months = sorted({f"{first + timedelta(days=passed):%Y-%m}" for passed in range(days)})
        schema = from_arrow_schema(LAKE_SCHEMAS[dataset]).add("date", "date")
        reader = self.spark.read.schema(schema).option("basePath", base)
        return reader.parquet(f"{base}/date={{{','.join(months)}}}-*").where(F.col("date").between(first, day)).drop("date")

    def events(self, day: date) -> DataFrame:
        """The events of the last `history_days` of users who consent at the end of a date."""
        events = self.read_window("interactions", day, self.history_days).where(in_last(day, self.history_days))
        return with_consent(events, self.read("no_consent", day))

    def history(self, day: date) -> DataFrame:
        """The purchases of these events: see `purchase_history`."""
        events = self.events(day)
        return self._keep("history", day, lambda: purchase_history(events, day, partitions_of(events)))

    def catalogue(self, day: date) -> DataFrame:
        """The items that may be recommended after a date: see `candidate_catalogue`."""
        items = self.read("items", day)
        return self._keep("catalogue", day, lambda: candidate_catalogue(items, self.history(day), self.min_item_purchases))

    def write(self, frame: DataFrame, dataset: str, day: date) -> int:
        """Replace one partition by a frame, cast to the contract's columns and sorted within each file.

        Returns the number of rows written.
        """
        schema = from_arrow_schema(LAKE_SCHEMAS[dataset])
        columns = [F.col(field.name).cast(field.dataType).alias(field.name) for field in schema]
        keys = [name for name in SORTED_BY if name in schema.names]
        path = self.path(dataset, day)
        self._delete(f"{path}/_SUCCESS")  # first, so that a reader never takes a half-replaced partition for a whole one
        frame.select(columns).sortWithinPartitions(*keys).write.mode("overwrite").parquet(path)
        return self.read(dataset, day).count()

    def _keep(self, name: str, day: date, build: Callable[[], DataFrame]) -> DataFrame:
        if any(kept_day != day for _, kept_day in self._kept):
            self.spark.catalog.clearCache()  # also what a job kept for the earlier date
            self._kept.clear()
        if (name, day) not in self._kept:
            self._kept[name, day] = build().persist()
        return self._kept[name, day]

    def _file_system(self, path: str) -> tuple[Any, Any]:
        jvm: Any = self.spark._jvm
        hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
        return hadoop_path.getFileSystem(self.spark._jsparkSession.sessionState().newHadoopConf()), hadoop_path

    def _exists(self, path: str) -> bool:
        file_system, hadoop_path = self._file_system(path)
        return file_system.exists(hadoop_path)

    def _delete(self, path: str) -> None:
        file_system, hadoop_path = self._file_system(path)
        file_system.delete(hadoop_path, False)
