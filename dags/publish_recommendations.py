"""champion + candidates → scores → explanations → lists → quality gate → release → what the explorer says of it.

A release is loaded into PostgreSQL and Redis under its own id, verified against the lake, and only then switched to.
Until the switch, and after any failure, the old release is served, whole.

**When it fails**

- *gate_release*: the message names the list, the value and what to do; the button *Data Docs* of the task shows every result.
  Nothing was loaded.
- *load*, *verify*: clear *load*: it starts again under a fresh build and removes the broken one.
- *found_by*: the release is served, and only the explorer cannot say which sources found its items; clear it.
- To go back to an earlier release: *rollback_release*, or `cartwheel rollback RELEASE`.
"""

from airflow.sdk import dag, task, task_group

from assets import CHAMPION, RELEASE
from defaults import Tag, after, dag_options, partition_day
from gates import Gates


@dag(
    schedule=after(CHAMPION),
    description="Score, explain, build the lists, check them, load both stores, verify, switch",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.serving),
)
def publish_recommendations():
    @task_group
    def lists():
        @task
        def score(dag_run=None) -> None:
            from serving_export.lists.score import score

            score(partition_day(dag_run))

        @task
        def explain(dag_run=None) -> None:
            from serving_export.lists.explain import explain

            explain(partition_day(dag_run))

        @task
        def build_lists(dag_run=None) -> None:
            from serving_export.lists.build_lists import build_lists

            build_lists(partition_day(dag_run))

        @task
        def build_similar(dag_run=None) -> None:
            from serving_export.lists.similar import build_similar

            build_similar(partition_day(dag_run))

        score() >> explain() >> build_lists() >> build_similar() >> Gates(task_id="gate_release", gates=("release",))

    @task_group
    def release():
        @task
        def load(dag_run=None) -> None:
            from serving_export.releases.publish import load

            load(partition_day(dag_run))

        @task
        def verify(dag_run=None) -> None:
            from serving_export.releases.publish import verify

            verify(partition_day(dag_run))

        @task(outlets=[RELEASE])
        def switch(dag_run=None) -> None:
            from serving_export.releases.publish import switch

            switch(partition_day(dag_run))

        @task
        def prune() -> None:
            from serving_export.releases.publish import prune

            prune()

        @task
        def found_by(dag_run=None) -> None:
            from serving_export.releases.found_by import load_found_by

            load_found_by(partition_day(dag_run))

        load() >> verify() >> switch() >> prune() >> found_by()

    lists() >> release()


publish_recommendations()
