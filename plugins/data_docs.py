"""Airflow plugin: the gates' Data Docs under Airflow's own address, for whoever is signed in to Airflow.

    /data-docs/                                  the latest dates, and every run of each gate for them
    /data-docs/<date>/<gate>/<run>/index.html    a run's first page, which the gate's task links to

Reads `data-docs/` of the lake's bucket, where `data_quality/data_docs.py` writes it. Airflow finds this file by its setting
`[core] plugins_folder`. Every Airflow process loads it, so that what is slow to import waits for the first request.
"""

import re

from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from plugin_pages import HEADERS, signed_in

PATH = "data-docs"
PAGE = re.compile(r"\d{4}-\d{2}-\d{2}/[a-z]+/\d{8}T\d{6}\.\d{6}Z/(index|\d+)\.html")
DATES_SHOWN = 30

app = FastAPI(title="Data Docs", openapi_url=None, dependencies=[Depends(signed_in)])


@app.get("/")
def contents() -> HTMLResponse:
    """Links to the runs of the latest dates, the latest first."""
    from cartwheel import lake
    from cartwheel.settings import get_settings

    bucket = get_settings().lake_bucket
    found = lake.s3_client().list_objects_v2(Bucket=bucket, Prefix=f"{PATH}/", Delimiter="/").get("CommonPrefixes", [])
    days = sorted((folder["Prefix"] for folder in found), reverse=True)[:DATES_SHOWN]
    keys = [item["Key"] for day in days for item in reversed(lake.list_objects(bucket, day))]
    runs = [key.removeprefix(f"{PATH}/") for key in keys if key.endswith("/index.html")]
    links = "".join(f'<li><a href="{run}">{run.removesuffix("/index.html")}</a></li>' for run in runs)
    text = f"<!DOCTYPE html><title>Data Docs</title><h1>Data Docs</h1><ul>{links or 'None yet'}</ul>"
    return HTMLResponse(text, headers=HEADERS)


@app.get("/{name:path}")
def page(name: str) -> HTMLResponse:
    """One page of one run."""
    from cartwheel import lake
    from cartwheel.settings import get_settings

    if not PAGE.fullmatch(name):
        raise HTTPException(404, "a page is named DATE/GATE/RUN/index.html")
    client = lake.s3_client()
    try:
        found = lake.get_bytes(get_settings().lake_bucket, f"{PATH}/{name}")
    except client.exceptions.NoSuchKey:
        raise HTTPException(404, f"no page {name}: pages are removed after a while; run the gate again") from None
    return HTMLResponse(found, headers=HEADERS)


class DataDocsPlugin(AirflowPlugin):
    """Mounts the pages, and adds them to the menu."""

    name = "data_docs"
    fastapi_apps = [{"app": app, "url_prefix": f"/{PATH}", "name": "Data Docs"}]  # noqa: RUF012 (Airflow's own form)
    external_views = [{"name": "Data Docs", "href": f"/{PATH}/", "destination": "nav", "category": "browse"}]  # noqa: RUF012
