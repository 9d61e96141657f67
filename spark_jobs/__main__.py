"""Several jobs for several dates in one Spark session, in the order in which they need one another.

python -m spark_jobs --date 2017-11-30
python -m spark_jobs --date 2017-09-07 --date 2017-10-05 als item_cf candidates
"""

import argparse
import importlib
import time

import structlog

from cartwheel.contracts import parse_partition_key
from spark_jobs.lake import Lake
from spark_jobs.session import spark_session

JOBS = (
    "item_features", "user_item_features", "user_subcategory_features", "user_category_features", "user_features",
    "context_features", "context_item_features", "sequences",
    "als", "ease", "item_cf", "co_purchase", "buy_again", "popular", "content", "trending", "new_items", "candidates",
)  # fmt: skip

log = structlog.get_logger()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs", description="Build features and candidates of the lake.")
    parser.add_argument("--date", required=True, action="append", type=parse_partition_key, help="YYYY-MM-DD; repeat for more")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"all by default: {', '.join(JOBS)}")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.jobs) - set(JOBS)):
        parser.error(f"no job {', '.join(unknown)}; the jobs are {', '.join(JOBS)}")
    names = [name for name in JOBS if name in arguments.jobs or not arguments.jobs]
    spark = spark_session("spark_jobs")
    try:
        lake, done, total = Lake.of_settings(spark), 0, len(names) * len(arguments.date)
        for day in sorted(set(arguments.date)):
            started = time.monotonic()
            for name in names:
                importlib.import_module(f"spark_jobs.{name}").JOB.run(lake, day)
                done += 1
            seconds = round(time.monotonic() - started, 1)
            log.info("date done", date=day.isoformat(), seconds=seconds, jobs=f"{done}/{total}")
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
