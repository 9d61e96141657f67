"""Serve another release that is loaded, at once: when what is served is wrong, or to go forward again.

Start it by hand, first with *Only look*: the log names the release that is served and the one that would be. Then without.
Only the pointers of both stores move, so it takes effect within a second; a publish that is loading goes on. Who asked for
it and why is kept in `serving.release_events`. `cartwheel rollback RELEASE` does the same.

**When it fails**

- *is not loaded*: the message names the releases that are. An older one is loaded again by running
  *publish_recommendations* for its date; it does not replace a later one, so roll back to it afterwards.
- *Redis cannot be told*: PostgreSQL serves the release already, and so does the API while Redis is away. Clear the task once
  Redis is back: it would come back with the release before.
- *another publish has been running*: Redis had lost the release, and somebody else is publishing; clear the task in a minute.

**Which DAG next**: none, but the next daily release replaces this one. Pause *publish_recommendations* to prevent that.
"""

from airflow.sdk import Param, dag, task

from defaults import Tag, dag_options


@dag(
    schedule=None,
    description="Serve another loaded release, and keep who asked for it and why",
    doc_md=__doc__,
    params={
        "release": Param(type="string", format="date", title="Release", description_md="A loaded one: `cartwheel releases`."),
        "reason": Param(type="string", minLength=1, title="Reason", description_md="For the record: what is wrong."),
        "dry_run": Param(True, type="boolean", title="Only look", description_md="Say what would be served; change nothing."),
    },
    **dag_options(Tag.serving, Tag.daily),
)
def rollback_release():
    @task(retries=0)
    def rollback(params=None, dag_run=None) -> None:
        import structlog

        from serving_export.releases import publish

        if params["dry_run"]:
            served, other = publish.look(params["release"])
            structlog.get_logger().info("only looked", serving=served, would_serve=other)
        else:
            publish.rollback(params["release"], dag_run.triggering_user_name or "airflow", params["reason"])

    rollback()


rollback_release()
