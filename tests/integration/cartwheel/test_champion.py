"""Which model version serves a date, in a registry of its own."""

from datetime import date

import mlflow
import pytest

from cartwheel import champion
from cartwheel.settings import get_settings


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("CARTWHEEL_MLFLOW_URL", f"sqlite:///{tmp_path}/mlflow.db")
    get_settings.cache_clear()
    client = champion.registry_client()
    client.create_registered_model(champion.MODEL)
    yield client
    get_settings.cache_clear()
    mlflow.set_tracking_uri(None)


def register(client: mlflow.MlflowClient, trained: str, gate: str) -> str:
    tags = {champion.DATE_TAG: trained, champion.GATE_TAG: gate}
    return client.create_model_version(champion.MODEL, "file:///nowhere", tags=tags).version


def test_a_date_is_served_by_the_champion_of_its_time(registry):
    assert champion.champion_for(date(2017, 12, 1)) is None
    with pytest.raises(champion.NoChampionError, match="2017-12-01"):
        champion.champion_version(date(2017, 12, 1))
    first = register(registry, "2017-11-30", "passed")
    refused = register(registry, "2017-12-03", "refused")
    second = register(registry, "2017-12-07", "passed")
    registry.set_registered_model_alias(champion.MODEL, champion.ALIAS, second)
    served = {day: champion.champion_for(date(2017, 12, day)) for day in (1, 6, 7, 20)}
    assert [str(served[day].version) for day in (1, 6, 7, 20)] == [str(v) for v in (first, first, second, second)]
    assert champion.champion_for(date(2017, 11, 29)) is None, "a model of its future"
    assert refused not in {version.version for version in served.values()}
