"""The gate's drill: a champion, a worse challenger and one that harms new users, each trained, registered and judged.

The shop's users rebuy the even items of their category, and nothing else. What a model believes of that depends on the
labels it is trained on. The tests build on one another, in their order; the registry is MLflow's own,
in a SQLite file.
"""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import mlflow
import polars as pl
import pytest
import training_shop
import typer
from typer.testing import CliRunner

from cartwheel import champion as champions
from cartwheel import lake
from cartwheel.contracts import LAKE_SCHEMAS
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from training import commands, data, gate, registry, report
from training.cutoffs import cutoffs_for
from training.train import fit

DAY = date(1999, 8, 24)
PAST, CUTOFF = cutoffs_for(DAY).training[0], cutoffs_for(DAY).gate
USERS = 600
NUMBER = pl.col("user_key").str.slice(1).cast(pl.Int32)
NEW = NUMBER % 5 == 0  # of whom the features know three visits; every fifth user, of all three categories
THIRD_CATEGORY = NUMBER % 3 == 2
EVEN = pl.col("item_id").str.slice(1).cast(pl.Int32) % 2 == 0

app = typer.Typer()
app.command()(commands.models)


@cache
def shop(cutoff: date) -> dict[str, pl.DataFrame]:
    tables = training_shop.tables(cutoff, seed=cutoff.month, users=USERS)
    visits = pl.when(NEW).then(3).otherwise(training_shop.VISITS).cast(pl.Float32)
    weekends = pl.when(THIRD_CATEGORY).then(1.0).otherwise(0.0).cast(pl.Float32)  # what tells these users from others
    prices = pl.when(EVEN).then(2.0).otherwise(1.0).cast(pl.Float32)  # and these items
    return tables | {
        "user": tables["user"].with_columns(visits=visits, weekend_share=weekends),
        "item": tables["item"].with_columns(price=prices),
    }


def bought(cutoff: date, mistaken: pl.Expr) -> pl.DataFrame:
    """What users buy after a cut-off: their even items, but the odd ones for those about whom it is mistaken."""
    when = datetime.combine(cutoff + timedelta(days=5), datetime.min.time(), UTC)
    pairs = shop(cutoff)["user_item"].select(
        "user_key", "item_id", event_type=pl.lit("purchase"), event_ts=pl.lit(when), rank=pl.lit(None, pl.Int32)
    )
    return pairs.filter(mistaken != EVEN)


@pytest.fixture(scope="module")
def made_up_lake(stores: LocalConfig) -> Iterator[None]:
    """The gate's cut-off and one day of its window."""
    tables = shop(CUTOFF)
    of_dataset = {data.DATASETS[name]: table for name, table in tables.items()}
    others = tables["candidates"].join(tables["user_item"], on=["user_key", "item_id"], how="anti")
    als = others.select("user_key", "item_id", score=pl.lit(0.5), rank=pl.int_range(1, pl.len() + 1).over("user_key"))
    window = bought(CUTOFF, pl.lit(False))
    missing = [name for name in LAKE_SCHEMAS["interactions"].names if name not in window.columns]
    partitions = {(dataset, CUTOFF): table for dataset, table in of_dataset.items()} | {
        ("candidates/als", CUTOFF): als,
        ("no_consent", DAY): pl.DataFrame(schema={"user_key": pl.String}),
        ("interactions", CUTOFF + timedelta(days=5)): window.with_columns(pl.lit(None).alias(name) for name in missing),
    }
    for (dataset, day), table in partitions.items():
        lake.write(dataset, day, table.to_arrow())
    yield
    for dataset, day in partitions:
        lake.delete(dataset, day)


@pytest.fixture(scope="module")
def client(made_up_lake: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlflow.MlflowClient]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTWHEEL_MLFLOW_URL", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("COLUMNS", "200")
        patch.setenv("CARTWHEEL_LABEL_WINDOW_DAYS", "56")  # changed since the versions were trained
        get_settings.cache_clear()
        client = champions.registry_client()
        client.create_experiment(registry.EXPERIMENT, artifact_location=folder.as_uri())
        yield client
    get_settings.cache_clear()
    mlflow.set_tracking_uri(None)


def challenger(labels: pl.DataFrame) -> str:
    """Train on an earlier cut-off with these labels, and register as a version for the date."""
    ranker, _ = fit({PAST: shop(PAST)}, {PAST: labels}, seed=5, encoder_epochs=1, scorer_epochs=40)
    mlflow.set_experiment(registry.EXPERIMENT)
    with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
        ranker.save(Path(folder) / "model")
        version = registry.log_model(Path(folder) / "model", registered=True)
    assert version is not None
    champions.registry_client().set_model_version_tag(champions.MODEL, version, champions.DATE_TAG, DAY.isoformat())
    return version


def champion() -> str:
    found = champions.current_champion()
    assert found is not None
    return str(found.version)


def tags(version: str) -> dict[str, str]:
    return champions.registry_client().get_model_version(champions.MODEL, version).tags


def listed() -> list[dict]:
    return json.loads(CliRunner().invoke(app, ["--json"], catch_exceptions=False).stdout)


def test_the_first_model_is_promoted(client):
    version = challenger(bought(PAST, mistaken=THIRD_CATEGORY))
    assert [(each["version"], each["verdict"]) for each in listed()] == [(1, "pending")]
    verdict = gate.promote_if_better(version)
    assert verdict.promoted, verdict.reason
    assert champion() == version == "1"
    kept = tags(version)
    assert (kept["gate"], kept["gate_cutoff"], kept["gate_champion"]) == ("passed", str(CUTOFF), "none")


def test_a_model_of_shuffled_labels_is_refused(client):
    labels = bought(PAST, mistaken=pl.lit(False))
    version = challenger(labels.with_columns(pl.col("item_id").shuffle(seed=1)))
    verdict = gate.promote_if_better(version)
    assert not verdict.promoted
    assert champion() == "1", "the alias has moved"
    kept = tags(version)
    assert kept["gate"] == "refused" and "against champion" in kept["gate_reason"]
    details = mlflow.artifacts.load_dict(f"runs:/{client.get_model_version(champions.MODEL, version).run_id}/gate.json")
    assert details["reason"] == verdict.reason and "all_champion" in details["comparisons"]


def test_a_better_model_that_harms_new_users_is_refused(client):
    version = challenger(bought(PAST, mistaken=NEW))
    verdict = gate.promote_if_better(version)
    assert all(comparison.won for comparison in verdict.comparisons), "it beats the champion and every rule"
    assert not verdict.promoted
    assert [str(rail)[:28] for rail in verdict.guardrails if rail.broken] == ["activity new (120 users), al"]
    assert tags(version)["gate_reason"].startswith("guardrail, activity new (120 users)")
    assert champion() == "1"


def test_a_better_model_takes_over(client):
    version = challenger(bought(PAST, mistaken=pl.lit(False)))
    verdict = gate.promote_if_better(version)
    assert verdict.promoted, verdict.reason
    assert champion() == version == "4"


def test_the_serving_version_keeps_its_verdict(client):
    before = tags("4")
    verdict = gate.promote_if_better("4")
    assert verdict.promoted and verdict.reason == "better than every rival"
    assert tags("4") == before and champion() == "4"


def test_a_version_that_serves_by_hand_is_judged_against_the_champion_before_it(client):
    client.set_registered_model_alias(champions.MODEL, champions.ALIAS, "2")
    assert not gate.promote_if_better("2").promoted
    assert tags("2")["gate_champion"] == "1"
    client.set_registered_model_alias(champions.MODEL, champions.ALIAS, "4")


def test_a_gate_that_fails_leaves_the_reason_and_no_verdict(client):
    next_day = DAY + timedelta(days=1)  # its cut-off is not in the lake
    champion_now = client.get_model_version(champions.MODEL, "4")
    client.create_model_version(champions.MODEL, champion_now.source, tags={champions.DATE_TAG: str(next_day)})
    with pytest.raises(lake.MissingPartitionError):
        gate.promote_if_better("5")
    assert champions.GATE_TAG not in tags("5")
    assert champion() == "4"


def test_models_lists_them_newest_first(client):
    versions = listed()
    assert [each["version"] for each in versions] == [5, 4, 3, 2, 1]
    assert [each["verdict"] for each in versions] == ["pending", "champion", "refused", "refused", "passed"]
    assert versions[0]["reason"].startswith("the gate failed: MissingPartitionError: ") and versions[0]["figures"] == {}
    assert versions[1]["trained_for"] == str(DAY)
    best, worst = (versions[n]["figures"]["all"] for n in (1, 3))
    assert best["ndcg_at_10"]["low"] > worst["ndcg_at_10"]["high"]
    table = CliRunner().invoke(app, []).stdout
    assert all(word in table for word in ("champion", "refused", "pending", "activity new"))


def test_the_report_is_against_the_version_that_the_gate_compared_with(client):
    assert report.make("3").champion == "1"
    gate.promote_if_better("3")
    made = report.make("3")
    assert (made.champion, tags("3")["gate_champion"]) == ("4", "4")
    assert (made.cutoff, made.until) == (CUTOFF, DAY)
