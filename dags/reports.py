"""The task that makes the evaluation report of a model version, with a link to it."""

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf


class ReportLink(BaseOperatorLink):
    """The button *Evaluation report*, once there is one."""

    name = "Evaluation report"

    def get_link(self, operator, *, ti_key) -> str:
        if not operator.page:
            return ""
        return f"{(conf.get('api', 'base_url', fallback='') or '').rstrip('/')}/{operator.page}"


class Report(BaseOperator):
    """Measures the version, and writes the report to its run in MLflow; plugins/evaluation_reports.py shows it."""

    template_fields = ("version",)
    operator_extra_links = (ReportLink(),)

    def __init__(self, *, version: str, **options):
        super().__init__(**options)
        self.version = version
        self.page = ""

    def execute(self, context) -> None:
        from training.report import write

        write(self.version)
        self.page = f"evaluation-reports/{self.version}"
