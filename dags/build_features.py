"""lake → Spark → features and candidates → quality gates.

`python -m spark_jobs --help` says which jobs there are. Every job reads the lake up to the partition key and replaces its own
partition, so the task can be cleared at any time.

**When it fails**

- *features_and_candidates*: its log names the job and ends with the error; `python -m spark_jobs --date DATE JOB` runs
  one by hand.
- *gate_features_and_candidates*: the message names dataset, column, value and what to do; the button *Data Docs* of the task
  shows every result. Gate `features` comes first, `candidates` after it. The release that is being served stays as it is.

**Which DAG next**: `train_ranker` follows by itself, for the same date.
"""

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import dag

from assets import CANDIDATES, LAKE
from cartwheel.settings import get_settings
from cartwheel.spark import submission
from defaults import PARTITION_KEY, Tag, after, dag_options
from gates import Gates


@dag(
    schedule=after(LAKE),
    description="User and item features, sequences, and candidates from every source, by Spark",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.features),
)
def build_features():
    # All jobs in one application: they share its start and its cached history, which take longer than most jobs.
    features_and_candidates = SparkSubmitOperator(
        task_id="features_and_candidates",
        application_args=["--date", PARTITION_KEY],
        name="cartwheel-features-and-candidates",
        **submission(get_settings()),
    )

    # Both gates in one task as well: they need 2 and 1 s, the start of their process 8.
    gates = Gates(task_id="gate_features_and_candidates", gates=("features", "candidates"), outlets=[CANDIDATES])

    features_and_candidates >> gates


build_features()
