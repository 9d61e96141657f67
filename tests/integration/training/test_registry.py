"""What the evaluation report reads of the registry, in one of its own."""

from datetime import date

import mlflow
import pytest

from cartwheel import champion
from cartwheel.settings import get_settings
from training import registry, verdicts


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("CARTWHEEL_MLFLOW_URL", f"sqlite:///{tmp_path}/mlflow.db")
    get_settings.cache_clear()
    client = champion.registry_client()
    client.create_registered_model(champion.MODEL)
    yield client
    get_settings.cache_clear()
    mlflow.set_tracking_uri(None)


def test_the_champion_before_is_the_newest_that_had_passed_by_then(client):
    def register(trained: str, gate: str):
        tags = {champion.DATE_TAG: trained, champion.GATE_TAG: gate}
        return client.create_model_version(champion.MODEL, "file:///nowhere", tags=tags)

    def before(version) -> str | None:
        found = registry.champion_before(version)
        return None if found is None else str(found.version)

    first, second = register("2017-11-30", "passed"), register("2017-12-07", "passed")
    refused = register("2017-12-14", "refused")
    later, backfilled = register("2017-12-14", "passed"), register("2017-12-01", "passed")
    assert before(first) is None
    assert before(second) == str(first.version)
    assert before(refused) == before(later) == str(second.version)
    assert before(backfilled) == str(first.version), "a champion of its future"


def test_training_is_due_a_week_after_the_last_one_whatever_the_gate_said(client):
    def due(day: str) -> bool:
        return registry.needs_training(date.fromisoformat(day)) is not None

    def register(trained: str, **tags: str) -> str:
        found = client.create_model_version(champion.MODEL, "file:///nowhere", tags={champion.DATE_TAG: trained} | tags)
        return str(found.version)

    assert due("2017-11-30")
    register("2017-11-30", gate="refused")
    assert due("2017-12-01"), "there is still no champion"
    client.set_registered_model_alias(champion.MODEL, champion.ALIAS, register("2017-12-01", gate="passed"))
    assert (due("2017-12-07"), due("2017-12-08")) == (False, True)
    register("2017-12-08")
    assert due("2017-12-08"), "the gate has not judged it: the training may have to be run again"
    register("2017-12-08", gate="refused")
    assert (due("2017-12-09"), due("2017-12-14"), due("2017-12-15")) == (False, False, True)


def test_a_version_was_judged_against_what_the_gate_noted(client):
    def register(**tags: str):
        given = {champion.DATE_TAG: "2017-11-30", champion.GATE_TAG: "passed"} | tags
        return client.create_model_version(champion.MODEL, "file:///nowhere", tags=given)

    first, second = register(gate_champion="none"), register(gate_champion="none")
    third, old = register(gate_champion=str(first.version)), register()
    assert verdicts.judged_against(first) is None and verdicts.judged_against(second) is None
    assert verdicts.judged_against(third) == str(first.version), "not the newest before it: the alias had moved back"
    assert verdicts.judged_against(old) == str(third.version), "judged before the gate noted it"


def test_the_losses_of_every_epoch_come_back_in_order(client):
    mlflow.set_experiment("losses")
    given = {"encoder": [7.5, 7.25, 7.0], "encoder_validation": [8.0, 7.75, 7.5], "scorer": [0.25]}
    with mlflow.start_run() as run:
        registry.log_losses(given)
        mlflow.log_metric("encoder_seconds", 3.0)
    assert registry.losses(run.info.run_id) == given
