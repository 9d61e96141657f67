"""features and candidates → ranker → champion gate → evaluation report.

Trains when there is no champion, when the last training was `CARTWHEEL_TRAIN_EVERY_DAYS` ago, or when *force* is set
in the form; otherwise it ends at once and the chain goes on with the champion there is. A challenger becomes champion
only if it beats popularity, buy-again, ALS and the current champion on a later window (paired bootstrap), keeps most of
the champion's coverage and harms no large segment of users or department.

**When it fails**

- *train*: a retry goes on from the last whole epoch. Data that must not be learnt from is refused, and the error names it;
  a retry does not help before it is mended (docs/training.md).
- *gate*: the challenger could not be judged. It stays in the registry as *pending*, with the error; clear the task when
  the cause is mended. A challenger that is refused does not fail the task: the champion keeps serving, and the log and
  `cartwheel models` say why.
- *champion_is_ready*: there is no champion yet and the gate refused the challenger: it is worse than a simple rule.
  `cartwheel models` has the figures. Train again with another seed (*Train now*), or when there is more history.
- *report*: nothing depends on it. Clear it, or run `python -m training.report --version VERSION`.

The button *Evaluation report* of the task *report* opens the version's report, also that of a refused one
(docs/reading-the-report.md).

**Which DAG next**: `publish_recommendations` follows by itself, for the same date.
"""

from airflow.sdk import Param, dag, task

from assets import CANDIDATES, CHAMPION
from defaults import Tag, after, dag_options, partition_day
from reports import Report


@dag(
    schedule=after(CANDIDATES),
    description="Train the Transformer ranker when it is due, and let it become champion if it is better",
    doc_md=__doc__,
    params={
        "force": Param(False, type="boolean", title="Train now", description_md="Train even if the champion is young."),
        "seed": Param(17, type="integer", minimum=0, title="Seed", description_md="Same seed, same data: same model."),
    },
    **dag_options(Tag.weekly, Tag.training),
)
def train_ranker():
    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def training_is_due(dag_run=None, params=None) -> bool:
        import structlog

        from training.registry import needs_training

        reason = "forced in the form" if params["force"] else needs_training(partition_day(dag_run))
        structlog.get_logger().info("training is due" if reason else "the champion stays", reason=reason)
        return bool(reason)

    @task
    def build_cutoffs(dag_run=None) -> None:
        from training.cutoffs import build_missing

        build_missing(partition_day(dag_run))

    @task
    def train(dag_run=None, params=None) -> str:
        from training.train import train

        return train(partition_day(dag_run), seed=params["seed"])

    @task(retries=0)
    def gate(version: str) -> None:
        from training.gate import promote_if_better

        promote_if_better(version)

    @task(outlets=[CHAMPION], trigger_rule="none_failed")
    def champion_is_ready(dag_run=None) -> str:
        from cartwheel.champion import champion_version

        return champion_version(partition_day(dag_run))

    trained = train()
    training_is_due() >> build_cutoffs() >> trained
    judged = gate(trained)
    judged >> champion_is_ready()

    # Whatever the gate said, as long as there is a version to report on.
    report = Report(task_id="report", version=trained, trigger_rule="all_done_min_one_success")
    [trained, judged] >> report


train_ranker()
