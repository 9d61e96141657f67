"""The plugin shows a version's report to who is signed in, asks MLflow for nothing else, and runs nothing in it."""

import httpx
import pytest
from fastapi.testclient import TestClient

VERSIONS = [
    {
        "version": "9",
        "run_id": "nine",
        "tags": [{"key": "partition_date", "value": "2017-11-30"}, {"key": "gate", "value": "<i>"}],
    },
    {"version": "10", "run_id": "ten"},
]


@pytest.fixture(scope="module")
def plugin(load_plugin):
    return load_plugin("evaluation_reports")


@pytest.fixture
def client(plugin, monkeypatch):
    def answer(path: str, /, **parameters):
        """As much of MLflow as the plugin asks for."""
        request = httpx.Request("GET", f"http://mlflow{path}")
        if path.endswith("/search"):
            return httpx.Response(200, json={"model_versions": VERSIONS}, request=request)
        if path.endswith("/get"):
            found = [version for version in VERSIONS if version["version"] == parameters["version"]]
            return httpx.Response(200 if found else 404, json={"model_version": found[0]} if found else {}, request=request)
        assert parameters["path"] == "report.html"
        there = parameters["run_uuid"] == "nine"
        return httpx.Response(200 if there else 500, content="<h1>Vërsion 9</h1>" if there else "", request=request)

    monkeypatch.setattr(plugin, "mlflow_answer", answer)
    monkeypatch.setitem(plugin.app.dependency_overrides, plugin.signed_in, lambda: None)
    return TestClient(plugin.app)


def test_a_report_is_shown_and_nothing_in_it_may_run(client):
    answer = client.get("/9")
    assert (answer.status_code, answer.text) == (200, "<h1>Vërsion 9</h1>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_contents_link_to_each_version_the_latest_first(client):
    text = client.get("/").text
    assert text.index('<a href="10">version 10</a>') < text.index('<a href="9">version 9</a> 2017-11-30, &lt;i&gt;')


def test_a_version_without_a_report_and_no_version_say_so(client):
    assert "python -m training.report --version 10" in client.get("/10").json()["detail"]
    assert "no version 11" in client.get("/11").json()["detail"]
    assert client.get("/10").status_code == client.get("/11").status_code == 404


@pytest.mark.parametrize("name", ["x", "9%2F..", "-1", "9 or 1=1"])
def test_nothing_but_numbers_is_asked_for(client, name):
    assert client.get(f"/{name}").status_code in (404, 422)


def test_who_is_not_signed_in_sees_nothing(plugin):
    for path in ("/", "/9"):
        assert TestClient(plugin.app).get(path).status_code == 401
