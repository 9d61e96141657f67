"""lake → Spark → features and candidates → quality gate.

Every job reads the lake up to the partition key and replaces its own partition, so any task can be cleared alone.

**When it fails**

- *a Spark job*: its log ends with the error; `python -m spark_jobs JOB --date DATE` runs the same by hand.
- *gate_candidates*: the message names the expectation; the release that is being served stays as it is.

**Which DAG next**: `train_ranker` follows by itself, for the same date.
"""

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import dag, task, task_group

from assets import CANDIDATES, LAKE
from cartwheel.settings import PROJECT_ROOT, get_settings
from defaults import PARTITION_KEY, Tag, after, dag_options, partition_day


def spark(*jobs: str, task_id: str | None = None) -> SparkSubmitOperator:
    """One Spark application that runs the jobs in order, for the partition key."""
    return SparkSubmitOperator(
        task_id=task_id or jobs[0],
        application=str(PROJECT_ROOT / "spark_jobs/__main__.py"),
        application_args=["--date", PARTITION_KEY, *jobs],
        name=f"cartwheel-{task_id or jobs[0]}",
        driver_memory=get_settings().spark_driver_memory,
    )


@dag(
    schedule=after(LAKE),
    description="User and item features, sequences, and candidates from every source, by Spark",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.features),
)
def build_features():
    @task_group
    def features() -> None:
        spark("user_features", "item_features", "user_subcategory_features", "sequences", task_id="users_and_items")
        spark("user_item_features", task_id="user_item_features")

    @task_group
    def candidates() -> None:
        sources = [spark("als"), spark("item_cf"), spark("buy_again", "popular", task_id="buy_again_and_popular")]
        sources >> spark("candidates", task_id="union")

    @task(outlets=[CANDIDATES])
    def gate_candidates(dag_run=None) -> None:
        from data_quality.gate import run_gate

        run_gate("candidates", partition_day(dag_run))

    features() >> candidates() >> gate_candidates()


build_features()
