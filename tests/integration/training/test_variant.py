"""The setting of the ranker's variant, from the lake to a version in MLflow's registry."""

from collections.abc import Iterator
from datetime import date, timedelta

import mlflow
import polars as pl
import pytest
import training_shop

from cartwheel import champion, lake
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from training import data, registry, train
from training.cutoffs import cutoffs_for

DAY = date(1999, 8, 24)


@pytest.fixture
def made_up_lake(stores: LocalConfig) -> Iterator[None]:
    """Both training cut-offs, and in each window one day of purchases."""
    partitions = {("no_consent", DAY): pl.DataFrame(schema={"user_key": pl.String})}
    for cutoff in cutoffs_for(DAY).training:
        tables, window = training_shop.tables(cutoff), training_shop.labels(cutoff)
        missing = [name for name in LAKE_SCHEMAS["interactions"].names if name not in window.columns]
        partitions |= {(data.DATASETS[name], cutoff): table for name, table in tables.items()}
        partitions["interactions", cutoff + timedelta(days=7)] = window.with_columns(pl.lit(None).alias(name) for name in missing)
    for (dataset, day), table in partitions.items():
        lake.write(dataset, day, table.to_arrow())
    yield
    for dataset, day in partitions:
        lake.delete(dataset, day)


@pytest.fixture
def client(made_up_lake: None, tmp_path, monkeypatch) -> Iterator[mlflow.MlflowClient]:
    monkeypatch.setenv("CARTWHEEL_MLFLOW_URL", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("CARTWHEEL_TRAINING_DIR", str(tmp_path / "training"))
    monkeypatch.setenv("CARTWHEEL_RANKER_VARIANT", "student")
    get_settings.cache_clear()
    client = champion.registry_client()
    client.create_experiment(registry.EXPERIMENT, artifact_location=tmp_path.as_uri())
    yield client
    get_settings.cache_clear()
    mlflow.set_tracking_uri(None)


def test_the_variant_of_the_setting_is_what_is_registered(client):
    version = train.train(DAY)
    assert version is not None
    ranker = registry.load(version)
    assert ranker.config["variant"] == "student"
    assert [layer[0].out_features for layer in ranker.scorer.trunk] == [64, 32]
    parameters = client.get_run(client.get_model_version(champion.MODEL, version).run_id).data.params
    assert (parameters["variant"], parameters["scorer_hidden"]) == ("student", "[64, 32]")
