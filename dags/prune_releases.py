"""Remove the releases beyond those that stay loaded, and what crashed runs have left in both stores.

*publish_recommendations* ends with the same, so it is needed only after *releases_kept* was lowered, or when the disk or
Redis fills up. Start it by hand, first with *Only look*: the log names what would be removed. Then without. What is served,
and what was served until a minute ago, is never removed.

**When it fails**

- *another publish has been running*: clear the task when it has ended.
- A store cannot be reached: mend that and clear the task; it goes on where it was.

**Which DAG next**: none.
"""

from airflow.sdk import Param, dag, task

from defaults import Tag, dag_options


@dag(
    schedule=None,
    description="Remove releases that nothing needs from both stores",
    doc_md=__doc__,
    params={
        "dry_run": Param(True, type="boolean", title="Only look", description_md="Name what would be removed; change nothing."),
    },
    **dag_options(Tag.serving, Tag.daily),
)
def prune_releases():
    @task
    def prune(params=None) -> None:
        import structlog

        from serving_export.releases import publish

        if params["dry_run"]:
            found = [build.build_id for build in publish.releases().removable()]
            structlog.get_logger().info("only looked", would_remove=found)
        else:
            publish.prune()

    prune()


prune_releases()
