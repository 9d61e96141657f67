"""raw → quality gate → dbt (staging, intermediate, marts) → quality gate → lake.

dbt builds the dates that have new files (`ops.pending_dates`) and the partition key itself; each model is a task,
its tests run with it, and a failing test stops the chain. The export writes the same dates to the lake as Parquet.

**When it fails**

- *gate_raw*, *gate_marts*: the message names table, expectation and value; all results are in `ops.gate_results`.
  The release that is being served stays as it is. Mend the data, or the expectation, and clear the gate.
- *a dbt model*: its log holds dbt's own message. Clear the model; finished models need not run again.

**Which DAG next**: `build_features` follows by itself, for the same date.
"""

from airflow.sdk import dag, task
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import InvocationMode, LoadMode, TestBehavior
from cosmos.profiles import PostgresUserPasswordProfileMapping

from assets import LAKE, RAW_EVENTS
from cartwheel.dbt import DBT_PROJECT
from cartwheel.settings import LOCAL_DIR
from defaults import PARTITION_KEY, Tag, after, dag_options, partition_day


@dag(
    schedule=after(RAW_EVENTS),
    description="Check raw, build the marts with dbt, check them, export them to the lake",
    doc_md=__doc__,
    **dag_options(Tag.daily, Tag.warehouse),
)
def build_warehouse():
    @task
    def gate_raw(dag_run=None) -> None:
        from data_quality.gate import run_gate

        run_gate("raw", partition_day(dag_run))

    dbt = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(DBT_PROJECT, manifest_path=LOCAL_DIR / "dbt/manifest.json"),
        profile_config=ProfileConfig(
            profile_name="cartwheel",
            target_name="warehouse",
            profile_mapping=PostgresUserPasswordProfileMapping(
                conn_id="warehouse", profile_args={"schema": "marts", "threads": 4}
            ),
        ),
        execution_config=ExecutionConfig(invocation_mode=InvocationMode.DBT_RUNNER),
        # BUILD runs a model's tests in the model's own task, so nothing downstream starts before they pass.
        render_config=RenderConfig(load_method=LoadMode.DBT_MANIFEST, test_behavior=TestBehavior.BUILD),
        operator_args={"install_deps": False, "vars": {"partition_date": PARTITION_KEY}},
    )

    @task
    def gate_marts(dag_run=None) -> None:
        from data_quality.gate import run_gate

        run_gate("marts", partition_day(dag_run))

    @task(outlets=[LAKE])
    def export(dag_run=None) -> None:
        from cartwheel.export import export

        export(partition_day(dag_run))

    gate_raw() >> dbt >> gate_marts() >> export()


build_warehouse()
