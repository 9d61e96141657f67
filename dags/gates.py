"""The task that runs gates, with a link to what they found."""

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf

from defaults import partition_day


class DataDocsLink(BaseOperatorLink):
    """The button *Data Docs* on a gate's task: every result of its last run, also when it failed."""

    name = "Data Docs"

    def get_link(self, operator, *, ti_key) -> str:
        if not operator.data_docs:
            return ""
        return f"{(conf.get('api', 'base_url', fallback='') or '').rstrip('/')}/{operator.data_docs}"


class Gates(BaseOperator):
    """Runs gates for the partition key, one after the other in one process: starting one takes longer than most gates."""

    operator_extra_links = (DataDocsLink(),)
    ui_color = "#e8f0e8"

    def __init__(self, *, gates: tuple[str, ...], **options):
        super().__init__(retries=0, **options)  # a retry would find the same
        self.gates = gates
        self.data_docs = ""  # of the last gate that ran: the one that failed, if one did

    def execute(self, context) -> None:
        from data_quality.gate import run_gates

        day = partition_day(context["dag_run"])
        run_gates(self.gates, day, published=self._note)

    def _note(self, data_docs: str) -> None:
        self.data_docs = data_docs
