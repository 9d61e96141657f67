"""What every job shares: the command line, and the run from extract to load with its time and rows logged."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import structlog
from pyspark.sql import DataFrame

from cartwheel.contracts import parse_partition_key
from spark_jobs.lake import Lake
from spark_jobs.session import spark_session

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """A program that builds one dataset of the lake for one date.

    `extract` names the frames it reads, and `transform` takes them by these names, beside the date.
    """

    output: str
    extract: Callable[[Lake, date], dict[str, DataFrame]]
    transform: Callable[..., DataFrame]

    def run(self, lake: Lake, day: date) -> int:
        """Build the dataset for one date, replacing what was there; the number of rows."""
        started = time.monotonic()
        rows = self.load(lake, self.transform(day, **self.extract(lake, day)), day)
        log.info("built", dataset=self.output, date=day.isoformat(), rows=rows, seconds=round(time.monotonic() - started, 1))
        return rows

    def load(self, lake: Lake, frame: DataFrame, day: date) -> int:
        return lake.write(frame, self.output, day)

    def main(self) -> None:
        """The program: `--date YYYY-MM-DD`."""
        parser = argparse.ArgumentParser(description=f"Build {self.output} of the lake for one date.")
        parser.add_argument("--date", required=True, type=parse_partition_key, help="the partition key, YYYY-MM-DD")
        day = parser.parse_args().date
        spark = spark_session(f"{self.output} {day}")
        try:
            self.run(Lake.of_settings(spark), day)
        finally:
            spark.stop()
