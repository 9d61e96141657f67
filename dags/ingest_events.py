"""Landing zone → raw.

Loads every file that has landed for a date up to the partition key and is not loaded yet, a file at a time;
each file in one transaction. Rejected rows go to `raw.rejected_rows` with their reason, duplicates to `raw.duplicate_rows`.

**When it fails**

- *no interactions have landed*: the shop's delivery for the date is missing. When it has arrived, clear the task.
- *another ingest is running: waiting for it* in the log: this one goes on when the other has ended.
- A file that cannot be read does not fail this task: it is noted in `ops.loaded_files`, and `gate_raw` names it.

**Which DAG next**: `build_warehouse` follows by itself, for the same date.
"""

from datetime import timedelta

from airflow.sdk import CronPartitionTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from assets import RAW_EVENTS
from cartwheel.settings import get_settings
from defaults import Tag, dag_options, partition_day


@dag(
    schedule=CronPartitionTimetable(
        get_settings().daily_cron,
        timezone="UTC",
        run_offset=-1,  # the day that has ended
        run_immediately=timedelta(0),  # a new installation waits for its first night
        key_format="%Y-%m-%d",
    ),
    description="Check what the shop has landed, and load it into raw, a file at a time",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.ingest),
)
def ingest_events():
    @task(outlets=[RAW_EVENTS])
    def load(dag_run=None) -> dict:
        from cartwheel import ingest
        from cartwheel.shop.mapping import MappingError

        try:
            report = ingest.ingest(partition_day(dag_run))
            ingest.check_delivery(partition_day(dag_run))
        except (ingest.NothingLandedError, MappingError) as error:  # a retry would find the same
            raise AirflowFailException(str(error)) from error
        return vars(report)

    load()


ingest_events()
