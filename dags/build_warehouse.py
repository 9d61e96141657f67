"""raw → quality gate → dbt (staging, intermediate, marts) → quality gate → lake.

dbt builds the dates that have new files (`ops.pending_dates`) and the partition key itself, a layer at a time; tests run
with the models they test, and a failing one stops the chain. The export writes the same dates to the lake as Parquet. Last,
what is past its age is dropped, where the settings say so (docs/privacy.md), and what the running experiments have proven is
kept for `marts.experiment_results`; the chain waits for neither.

**When it fails**

- *gate_raw*, *gate_marts*: the message names table or file, value and what to do; the button *Data Docs* of the task shows
  every result, and all are in `ops.gate_results`. The release that is being served stays as it is. Mend the data, or the
  expectation, and clear the gate.
- *a dbt layer*: its log holds dbt's own message and names the model or test. Mend it and clear the layer.

**Which DAG next**: `build_features` follows by itself, for the same date.
"""

from airflow.sdk import chain, dag, task, task_group
from cosmos import DbtBuildLocalOperator, ProfileConfig
from cosmos.constants import InvocationMode
from cosmos.profiles import PostgresUserPasswordProfileMapping

from assets import LAKE, RAW_EVENTS
from cartwheel.dbt import DBT_PROJECT, build_lock
from defaults import PARTITION_KEY, Tag, after, dag_options, partition_day
from gates import Gates

PROFILE = ProfileConfig(
    profile_name="cartwheel",
    target_name="warehouse",
    profile_mapping=PostgresUserPasswordProfileMapping(conn_id="warehouse", profile_args={"schema": "marts", "threads": 4}),
)


class LockedDbtBuild(DbtBuildLocalOperator):
    """`dbt build` that waits for one outside Airflow to end, and that one for this."""

    def execute(self, context, **kwargs):
        with build_lock(f"task {self.task_id}"):
            return super().execute(context, **kwargs)


def dbt_layer(layer: str) -> LockedDbtBuild:
    """`dbt build` of one layer: models and data tests, in the order dbt finds; unit tests are for `make test`."""
    return LockedDbtBuild(
        task_id=layer,
        project_dir=DBT_PROJECT,
        profile_config=PROFILE,
        select=f"path:models/{layer}",
        exclude="resource_type:unit_test",
        vars={"partition_date": PARTITION_KEY},
        invocation_mode=InvocationMode.DBT_RUNNER,
        install_deps=False,
        retries=0,  # a failing test would fail again
        emit_datasets=False,  # the assets of assets.py tie the DAGs
    )


@dag(
    schedule=after(RAW_EVENTS),
    description="Check raw, build the marts with dbt, check them, export them to the lake, drop what is past its age",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.warehouse),
)
def build_warehouse():
    @task_group
    def dbt() -> None:
        layers = [dbt_layer(layer) for layer in ("staging", "intermediate", "marts")]
        chain(*layers)

    @task(outlets=[LAKE])
    def export(dag_run=None) -> None:
        from cartwheel.export import export

        export(partition_day(dag_run))

    @task
    def analyse_experiments(dag_run=None) -> None:
        from serving_export.experiments.results import keep_results

        keep_results(partition_day(dag_run))

    @task
    def retention(dag_run=None) -> int:
        from cartwheel.privacy.retention import retain

        return retain(partition_day(dag_run))

    gate_raw = Gates(task_id="gate_raw", gates=("raw",))
    gate_marts = Gates(task_id="gate_marts", gates=("marts",))
    gate_raw >> dbt() >> gate_marts >> export() >> retention()
    gate_marts >> analyse_experiments()


build_warehouse()
