"""Versions as MLflow's REST API tells them, over a real HTTP server that answers with them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from cartwheel.settings import get_settings
from serving_export.explorer.models import Quality, registered_versions

FIGURES = [{"view": "new", "ndcg": {"value": 0.06, "low": 0.05, "high": 0.07}, "coverage": 0.1}]


def version(number: str, **tags: str) -> dict:
    return {"version": number, "tags": [{"key": key, "value": value} for key, value in tags.items()]}


@pytest.fixture
def registry(monkeypatch):
    """Answers by path; another path is not found."""
    answers: dict[str, dict] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = answers.get(self.path.partition("?")[0].rpartition("mlflow/")[2])
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, *_):
            """Tests are quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("CARTWHEEL_MLFLOW_URL", f"http://127.0.0.1:{server.server_port}")
        get_settings.cache_clear()
        yield answers
        server.shutdown()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_before_the_first_training(registry):
    assert registered_versions() == []


def test_verdicts_newest_first(registry):
    registry["registered-models/get"] = {"registered_model": {"aliases": [{"alias": "champion", "version": "9"}]}}
    registry["model-versions/search"] = {
        "model_versions": [
            version("9", gate="passed", gate_reason="better", gate_figures=json.dumps(FIGURES), partition_date="2017-11-30"),
            version("10", gate="refused", gate_reason="worse"),
            version("11"),
        ]
    }
    found = registered_versions()
    assert [(each.version, each.verdict, each.reason) for each in found] == [
        (11, "pending", "the gate has not judged it"), (10, "refused", "worse"), (9, "champion", "better"),
    ]  # fmt: skip
    assert found[2].trained_for == "2017-11-30"
    assert found[2].quality == {"new": Quality("new", 0.06, 0.05, 0.07, 0.1)}


def test_a_registry_that_fails_is_an_error(registry):
    registry["registered-models/get"] = {"registered_model": {}}
    with pytest.raises(httpx.HTTPStatusError):
        registered_versions()
