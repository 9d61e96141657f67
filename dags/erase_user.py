"""Remove a person from raw, marts, lake and stores, for good, and prove it by searching.

Start it by hand, first with *Only look*: the log says what would be removed, and which of the shop's own files hold the
person. Then without. It waits until no other task runs, and none starts while it works, so that nothing is written back.
The next build of the warehouse corrects the sums that stand in the marts.

The user's id stays in this run's form, in Airflow's own database: delete the run when you need its trace no more.
`cartwheel erase-user` does the same without one.

**When it fails**

- *still found in*: the message names the places. Run it again; if they remain, see docs/privacy.md.
- Anything else: mend the cause and clear the task. It begins again and records all it removed, once.

**Which DAG next**: none. Have the files that the log names delivered again without the person.
"""

from airflow.sdk import Param, dag, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException

from defaults import Tag, dag_options

ALL_SLOTS = conf.getint("core", "default_pool_task_slot_count")


@dag(
    schedule=None,
    description="Erase a user everywhere, keep a record, and prove it by searching",
    doc_md=__doc__,
    params={
        "user_id": Param(type="string", minLength=1, title="User", description_md="The shop's id of the user."),
        "aliases": Param(
            [], type="array", items={"type": "string"}, title="Other writings of the id",
            description_md="As the shop's files write it, where that differs; looked for in the texts of rejected rows.",
        ),
        "dry_run": Param(True, type="boolean", title="Only look", description_md="Say what would be removed; change nothing."),
    },
    **dag_options(Tag.privacy, Tag.warehouse),
)  # fmt: skip
def erase_user():
    @task(pool_slots=ALL_SLOTS, retries=0)
    def erase(params=None) -> dict:
        from dataclasses import asdict

        import structlog

        from cartwheel.privacy import erase

        aliases = params["aliases"]
        if params["dry_run"]:
            report = erase.preview(params["user_id"], aliases)
        else:
            report = erase.erase(params["user_id"], "airflow", aliases)
            if not report.is_gone:
                raise AirflowFailException(f"still found in {report.remaining}: run it again, or see docs/privacy.md")
        structlog.get_logger().info("only looked" if report.dry_run else "erased", **asdict(report))
        return asdict(report)

    erase()


erase_user()
