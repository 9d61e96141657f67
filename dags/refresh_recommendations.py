"""Within the day: new lists for the users who have just bought something, served as a layer over the day's release.

Every quarter of an hour it loads what has landed since, of the date after the one that is served, and makes new lists for the
users with new purchases, with the model and the tables of the release. They are loaded into PostgreSQL and Redis, verified
and switched to as a release is; everyone else's lists stay as they are. The next daily release replaces it all. What the
daily chain builds for the date is the same with and without refreshes. Nothing new to do is *skipped*.

**When it fails**

- *another publish has been running* shows as skipped: a release is being published, and the next run goes on.
- A file that cannot be read is noted in `ops.loaded_files`; `gate_raw` of the night names it.
- *is missing or incomplete*: the tables of the served date are not in the lake any more; run the chain for that date.
- *verify*: nothing is served that was not verified; the next run starts anew.
- New lists are wrong: pause this DAG, then `cartwheel rollback` to the release itself. A rollback stands until the next release:
  nothing is refreshed before.

**Which DAG next**: none. The nightly *ingest_events* takes the same files as if this had not run.
"""

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from defaults import Tag, dag_options


@dag(
    schedule="*/15 * * * *",
    description="Make new lists within the day for the users who have just bought something",
    doc_md=__doc__,
    **dag_options(Tag.serving, Tag.ingest),
)
def refresh_recommendations():
    @task
    def ingest() -> dict:
        from cartwheel.ingest import NothingLandedError, ingest
        from cartwheel.shop.mapping import MappingError
        from serving_export.refresh.refresh import today

        day = today()
        if day is None:
            raise AirflowSkipException("no release is served yet")
        try:
            return vars(ingest(day))
        except NothingLandedError as error:
            raise AirflowSkipException(str(error)) from error
        except MappingError as error:  # a retry would find the same
            raise AirflowFailException(str(error)) from error

    @task
    def refresh() -> int:
        from serving_export.refresh.refresh import refresh
        from serving_export.releases.catalog import PublishBusyError

        try:
            users = refresh()
        except PublishBusyError as error:
            raise AirflowSkipException(str(error)) from error
        if not users:
            raise AirflowSkipException("nobody has bought anything since, or a rollback chose what is served")
        return users

    ingest() >> refresh()


refresh_recommendations()
