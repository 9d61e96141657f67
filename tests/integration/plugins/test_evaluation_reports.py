"""A report in MLflow, seen through Airflow."""

import httpx
import pytest

from cartwheel import airflow_client, champion
from cartwheel.settings import get_settings
from training.report import ARTIFACT

TEXT = '<!DOCTYPE html><meta charset="utf-8"><h1>Ranker – of a test</h1>'


@pytest.fixture
def version(services):
    """A version whose run holds a report."""
    client = champion.registry_client()
    experiment = client.get_experiment_by_name("reports of a test")
    run = client.create_run(experiment.experiment_id if experiment else client.create_experiment("reports of a test"))
    client.log_text(run.info.run_id, TEXT, ARTIFACT)
    is_first = not client.search_registered_models(f"name = '{champion.MODEL}'")
    if is_first:
        client.create_registered_model(champion.MODEL)
    found = client.create_model_version(champion.MODEL, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    yield str(found.version)
    client.delete_model_version(champion.MODEL, found.version)
    if is_first:
        client.delete_registered_model(champion.MODEL)


def test_airflow_shows_the_report_to_who_is_signed_in(version):
    page = f"/evaluation-reports/{version}"
    with airflow_client.connect() as client:
        answer = client._http.get(page)
        assert (answer.status_code, answer.text) == (200, TEXT)
        assert f'href="{version}"' in client._http.get("/evaluation-reports/").text
        assert client._http.get("/evaluation-reports/999999").status_code == 404
    assert httpx.get(get_settings().airflow_url + page, trust_env=False).status_code == 401
