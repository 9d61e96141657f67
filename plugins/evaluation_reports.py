"""Airflow plugin: the evaluation reports of the ranker's versions, for whoever is signed in to Airflow.

    /evaluation-reports/            the latest versions
    /evaluation-reports/<version>   the report of one, which the task `report` of `train_ranker` links to

Reads the artifact `report.html` of the version's run in MLflow, where `training/report.py` writes it. MLflow itself offers the
file only for download, or within its own pages. Every Airflow process loads this file, so that what is slow to import waits
for the first request.
"""

import html
from typing import Annotated

import httpx
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse

from plugin_pages import HEADERS, signed_in

PATH = "evaluation-reports"
MODEL, ARTIFACT = "ranker", "report.html"
VERSIONS_SHOWN = 30

app = FastAPI(title="Evaluation reports", openapi_url=None, dependencies=[Depends(signed_in)])


def mlflow_answer(path: str, /, **parameters: str | int) -> httpx.Response:
    """What MLflow's server answers; its own client would take seconds and 200 MB to import."""
    from cartwheel.settings import get_settings

    return httpx.get(f"{get_settings().mlflow_url}{path}", params=parameters, timeout=30, trust_env=False)


@app.get("/")
def contents() -> HTMLResponse:
    """Links to the reports of the latest versions, the latest first."""
    answer = mlflow_answer(
        "/api/2.0/mlflow/model-versions/search", filter=f"name = '{MODEL}'", max_results=1000
    ).raise_for_status()
    versions = sorted(answer.json().get("model_versions", []), key=lambda found: int(found["version"]), reverse=True)
    links = "".join(f"<li>{_link(version)}</li>" for version in versions[:VERSIONS_SHOWN])
    title = "Evaluation reports"
    text = f'<!DOCTYPE html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><ul>{links or "None yet"}</ul>'
    return HTMLResponse(text, headers=HEADERS)


@app.get("/{version}")
def report(version: Annotated[str, PathParameter(pattern=r"^\d{1,9}$")]) -> HTMLResponse:
    """The report of one version."""
    found = mlflow_answer("/api/2.0/mlflow/model-versions/get", name=MODEL, version=version)
    if found.status_code == 404:
        raise HTTPException(404, f"there is no version {version} of {MODEL!r}")
    run = found.raise_for_status().json()["model_version"]["run_id"]
    page = mlflow_answer("/get-artifact", run_uuid=run, path=ARTIFACT)
    if page.is_error:
        raise HTTPException(404, f"version {version} has no report: python -m training.report --version {version} makes it")
    return HTMLResponse(page.content, headers=HEADERS)


def _link(version: dict) -> str:
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    said = ", ".join(tags[name] for name in ("partition_date", "gate") if name in tags)
    return f'<a href="{version["version"]}">version {version["version"]}</a> {html.escape(said)}'


class EvaluationReportsPlugin(AirflowPlugin):
    """Mounts the pages, and adds them to the menu."""

    name = "evaluation_reports"
    fastapi_apps = [{"app": app, "url_prefix": f"/{PATH}", "name": "Evaluation reports"}]  # noqa: RUF012 (Airflow's own form)
    external_views = [  # noqa: RUF012
        {"name": "Evaluation reports", "href": f"/{PATH}/", "destination": "nav", "category": "browse"}
    ]
