"""The DAGs load, say what they are, and hand over as documented."""

import ast
import itertools
import os
import sys
from pathlib import Path

import pytest

DAGS_FOLDER = Path(__file__).resolve().parents[3] / "dags"
CHAIN = ["ingest_events", "build_warehouse", "build_features", "train_ranker", "publish_recommendations"]
BY_HAND = ["erase_user", "prune_releases", "rollback_release"]
WITHIN_THE_DAY = ["refresh_recommendations"]


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    os.environ |= {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "AIRFLOW_CONN_WAREHOUSE": "postgres://cartwheel@127.0.0.1:1/cartwheel",
    }
    sys.path.insert(0, str(DAGS_FOLDER))  # as the DAG processor does
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(DAGS_FOLDER))


def test_every_dag_loads_and_no_other(bag):
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(CHAIN + BY_HAND + WITHIN_THE_DAY)


@pytest.mark.parametrize("dag_id", CHAIN + BY_HAND + WITHIN_THE_DAY)
def test_every_dag_says_what_it_is(bag, dag_id):
    dag = bag.dags[dag_id]
    assert dag.description
    assert "**When it fails**" in dag.doc_md
    assert "cartwheel" in dag.tags and len(dag.tags) >= 3
    assert {task.owner for task in dag.tasks} == {"data-engineering"}
    assert dag.max_active_runs == 1
    assert not dag.catchup
    for param in dag.params.values():
        assert param.schema.get("title"), f"{dag_id}: a parameter without a title in the form"


def test_each_dag_starts_when_the_one_before_it_has_made_its_asset(bag):
    made = {
        dag_id: {outlet.name for task in dag.tasks for outlet in task.outlets if hasattr(outlet, "name")}
        for dag_id, dag in bag.dags.items()
    }
    for before, after in itertools.pairwise(CHAIN):
        wanted = bag.dags[after].timetable.asset_condition.name
        assert wanted in made[before], f"{after} waits for {wanted}, {before} makes {made[before]}"


def test_gates_stand_before_what_they_guard(bag):
    warehouse, features, publish = (
        bag.dags[dag_id] for dag_id in ("build_warehouse", "build_features", "publish_recommendations")
    )
    assert {"gate_raw"} <= {task.task_id for task in warehouse.get_task("export").get_flat_relatives(upstream=True)}
    assert warehouse.get_task("gate_marts").downstream_task_ids == {"export", "analyse_experiments"}
    assert features.get_task("gate_features_and_candidates").upstream_task_ids == {"features_and_candidates"}
    assert features.get_task("gate_features_and_candidates").downstream_task_ids == set()
    assert features.get_task("gate_features_and_candidates").gates == ("features", "candidates")
    assert publish.get_task("release.load").upstream_task_ids == {"lists.gate_release"}


def test_lists_are_refreshed_every_quarter_of_an_hour_after_what_has_landed_and_no_asset_is_made(bag):
    dag = bag.dags["refresh_recommendations"]
    assert dag.schedule == "*/15 * * * *"
    assert [task.task_id for task in dag.topological_sort()] == ["ingest", "refresh"]
    assert dag.get_task("refresh").upstream_task_ids == {"ingest"}
    assert dag.get_task("refresh").trigger_rule == "all_success"  # skipped when nothing has landed
    assert not [outlet for task in dag.tasks for outlet in task.outlets]


def test_a_version_is_reported_on_whatever_the_gate_said(bag):
    dag = bag.dags["train_ranker"]
    report = dag.get_task("report")
    assert report.upstream_task_ids == {"train", "gate"}
    assert report.trigger_rule == "all_done_min_one_success"  # trained, and the gate has ended; not if training was skipped
    assert report.downstream_task_ids == set()
    assert "report" not in {task.task_id for task in dag.get_task("champion_is_ready").get_flat_relatives(upstream=True)}
    assert [link.name for link in report.operator_extra_links] == ["Evaluation report"]


def test_dbt_builds_its_layers_one_after_the_other_between_the_gates(bag):
    dag = bag.dags["build_warehouse"]
    order = ["gate_raw", "dbt.staging", "dbt.intermediate", "dbt.marts", "gate_marts", "export", "retention"]
    assert [task.task_id for task in dag.topological_sort() if task.task_id != "analyse_experiments"] == order
    assert dag.get_task("analyse_experiments").upstream_task_ids == {"gate_marts"}
    layers = {path.name for path in (DAGS_FOLDER.parent / "dbt_project/models").iterdir() if path.is_dir()}
    assert layers == {"staging", "intermediate", "marts"}


def test_a_dag_file_holds_wiring_and_no_heavy_imports():
    files = sorted(DAGS_FOLDER.glob("*.py"))
    assert {path.stem for path in files} == {*CHAIN, *BY_HAND, *WITHIN_THE_DAY, "assets", "defaults", "gates", "reports"}
    heavy = {"torch", "mlflow", "pyspark", "great_expectations", "polars", "pandas", "training", "serving_export", "data_quality"}
    for path in files:
        tree = ast.parse(path.read_text())
        for node in tree.body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & heavy, f"{path.name} imports {names} at its top"
