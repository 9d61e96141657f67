"""lake → Spark → features and candidates → quality gate.

Every job reads the lake up to the partition key and replaces its own partition, so any task can be cleared alone.

**When it fails**

- *a Spark job*: its log ends with the error; `python -m spark_jobs JOB --date DATE` runs the same by hand.
- *gate_candidates*: the message names the expectation; the release that is being served stays as it is.

**Which DAG next**: `train_ranker` follows by itself, for the same date.
"""

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import dag, task

from assets import CANDIDATES, LAKE
from cartwheel.settings import PROJECT_ROOT, get_settings
from defaults import PARTITION_KEY, Tag, after, dag_options, partition_day


def spark(task_id: str, *jobs: str) -> SparkSubmitOperator:
    """One Spark application that runs the jobs in order, for the partition key; they share its start and its cache."""
    return SparkSubmitOperator(
        task_id=task_id,
        application=str(PROJECT_ROOT / "spark_jobs/__main__.py"),
        application_args=["--date", PARTITION_KEY, *jobs],
        name=f"cartwheel-{task_id}",
        driver_memory=get_settings().spark_driver_memory,
    )


@dag(
    schedule=after(LAKE),
    description="User and item features, sequences, and candidates from every source, by Spark",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.features),
)
def build_features():
    features = spark("features", "user_features", "item_features", "user_item_features", "user_subcategory_features", "sequences")
    candidates = spark("candidates", "als", "item_cf", "buy_again", "popular", "candidates")

    @task(outlets=[CANDIDATES])
    def gate_candidates(dag_run=None) -> None:
        from data_quality.gate import run_gate

        run_gate("candidates", partition_day(dag_run))

    features >> candidates >> gate_candidates()


build_features()
