"""The ranker on a tiny shop: causal, deterministic, and the same from MLflow where `training` is not installed."""

import subprocess
import sys
from datetime import date

import mlflow
import numpy as np
import polars as pl
import pytest
import torch
import training_shop

from training import registry
from training.cutoffs import cutoffs_for
from training.model import KINDS, TABLES, Encoder, NormPerMember, Ranker, Scorer
from training.train import fit

CUTOFF = date(1999, 6, 1)


def trained(seed: int = 5) -> Ranker:
    tables, events = {CUTOFF: training_shop.tables(CUTOFF)}, {CUTOFF: training_shop.labels(CUTOFF)}
    return fit(tables, events, seed, encoder_epochs=2, scorer_epochs=20)[0]


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return trained()


def score(ranker: Ranker, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    return pl.DataFrame(ranker.score(**{name: tables[name].to_arrow() for name in TABLES}))


def test_later_visits_are_noted_and_change_no_weight(ranker: Ranker):
    later, both = date(1999, 6, 22), {}
    for cutoffs in ((CUTOFF,), (CUTOFF, later)):
        tables = {cutoff: training_shop.tables(cutoff) for cutoff in cutoffs}
        events = {cutoff: training_shop.labels(cutoff) for cutoff in cutoffs}
        both[len(cutoffs)] = fit(tables, events, 5, encoder_epochs=2, scorer_epochs=1)
    (alone, without), (found, history) = both[1], both[2]
    assert without["encoder"].validation == [] and len(history["encoder"].validation) == 2
    assert 0 < history["encoder"].validation[1] < history["encoder"].validation[0]
    assert all(torch.equal(value, alone.encoder.state_dict()[name]) for name, value in found.encoder.state_dict().items())


def test_a_shop_without_a_hierarchy_or_brands():
    tables = training_shop.tables(CUTOFF)
    tables["items"] = tables["items"].with_columns(pl.lit(None, pl.String).alias(name) for name in KINDS[1:])
    tables |= {name: tables[name].clear() for name in ("user_subcategory", "user_category")}
    ranker = fit({CUTOFF: tables}, {CUTOFF: training_shop.labels(CUTOFF)}, 5, encoder_epochs=2, scorer_epochs=20)[0]
    scores = score(ranker, tables)
    assert len(scores) == training_shop.USERS * training_shop.ITEMS
    assert scores["score"].is_between(0, 1).all()


def test_cutoffs_end_before_the_date():
    cutoffs = cutoffs_for(date(2017, 11, 30), 28)
    assert cutoffs.training == (date(2017, 7, 13), date(2017, 8, 10), date(2017, 9, 7), date(2017, 10, 5))
    assert cutoffs.gate == date(2017, 11, 2)


def test_a_cutoff_has_half_of_the_history_before_it_but_two_are_always_taken():
    day = date(2017, 11, 30)
    assert cutoffs_for(day, 28, first=date(2017, 1, 1)).training[0] == date(2017, 7, 13)
    assert cutoffs_for(day, 28, first=date(2017, 4, 21)).training[0] == date(2017, 8, 10)
    assert cutoffs_for(day, 28, first=date(2017, 10, 1)).training == (date(2017, 9, 7), date(2017, 10, 5))


def test_a_later_event_changes_no_earlier_state():
    torch.manual_seed(0)
    encoder = Encoder([20, 5, 5, 5], width=16, layers=2, heads=2, dropout=0.0, length=8, temperature=0.5).eval()
    codes, days = torch.randint(2, 5, (3, 8, 4)), torch.arange(8.0).repeat(3, 1)
    before = encoder(codes, days)
    codes[:, 5], days[:, 5:] = 4, days[:, 5:] + 9
    after = encoder(codes, days)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("layers", [1, 2])
def test_the_last_states_alone_are_those_among_all(layers):
    torch.manual_seed(0)
    encoder = Encoder([20, 5, 5, 5], width=16, layers=layers, heads=2, dropout=0.0, length=8, temperature=0.5).eval()
    codes, last = torch.randint(2, 5, (4, 8, 4)), torch.tensor([7, 0, 3, 0])
    codes[torch.arange(8) > last[:, None]] = 0
    codes[3] = 0  # a user without a purchase
    for days in (None, torch.rand(4, 8).cumsum(1)):
        assert torch.allclose(encoder(codes, days, last), encoder(codes, days)[torch.arange(4), last], atol=1e-5)


def test_each_members_norm_is_that_of_its_group():
    norm, rows = NormPerMember(2, 8), torch.randn(5, 8)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    expected = torch.nn.functional.group_norm(rows, 2, norm.weight, norm.bias, norm.eps)
    assert torch.allclose(norm(rows), expected, atol=1e-5)


def test_transforms_are_finite_where_values_are_missing():
    sample = np.array([[1.0, np.nan], [2.0, 5.0], [1e9, np.nan]], np.float32)
    scorer = Scorer(2, len(Scorer.missing_patterns(sample)), hidden=[8], objectives=1, dropout=0.0, members=1)
    scorer.fit_transforms(sample)
    inputs = scorer.transform(torch.from_numpy(sample))
    assert inputs.isfinite().all()
    assert inputs[:, -1].tolist() == [1.0, 0.0, 1.0]


def test_scores_are_probabilities_one_per_pair_and_the_same_in_any_batch(ranker):
    tables = training_shop.tables(CUTOFF)
    scored = score(ranker, tables)
    assert scored.columns == ["user_key", "item_id", "score", "source", "bought"]
    assert len(scored) == scored.select("user_key", "item_id").n_unique() >= len(tables["candidates"])
    assert scored["score"].is_between(0, 1).all() and scored["source"].is_in(["popular", "ranker"]).all()
    pairs = tables["user_item"].select("user_key", "item_id")
    assert (
        scored.filter("bought")
        .select("user_key", "item_id")
        .sort("user_key", "item_id")
        .equals(pairs.sort("user_key", "item_id"))
    )
    some = {name: t.filter(pl.col("user_key") < "u04") if "user_key" in t.columns else t for name, t in tables.items()}
    alone, whole = score(ranker, some), scored.filter(pl.col("user_key") < "u04")
    assert alone.drop("score").equals(whole.drop("score"))
    assert np.allclose(alone["score"], whole["score"], atol=1e-5)


def test_one_seed_gives_one_model_and_another_seed_another(ranker):
    tables = training_shop.tables(CUTOFF)
    assert score(ranker, tables).equals(score(trained(), tables))
    assert not score(ranker, tables).equals(score(trained(seed=6), tables))


def test_habits_are_learnt(ranker):
    scored = score(ranker, training_shop.tables(CUTOFF))
    means = scored.group_by("bought").agg(pl.col("score").mean()).sort("bought")["score"]
    assert means[1] > means[0]


def test_the_saved_model_runs_where_training_cannot_be_imported(ranker, tmp_path):
    tables = training_shop.tables(CUTOFF)
    ranker.save(tmp_path / "weights")
    mlflow.pyfunc.save_model(
        path=tmp_path / "model",
        python_model=str(registry.MODEL_FILE),
        artifacts={"model": str(tmp_path / "weights")},
        pip_requirements=["mlflow"],
    )
    for name in TABLES:
        tables[name].write_parquet(tmp_path / f"{name}.parquet")
    program = f"""
import sys
sys.modules["training"] = sys.modules["cartwheel"] = None  # importing either is an error
import mlflow, polars as pl
model = mlflow.pyfunc.load_model({str(tmp_path / "model")!r})
tables = {{name: pl.read_parquet(f"{tmp_path}/{{name}}.parquet") for name in {TABLES!r}}}
scored = model.unwrap_python_model().score(**{{name: t.to_arrow() for name, t in tables.items()}})
pl.DataFrame(scored).write_parquet({str(tmp_path / "scored.parquet")!r})
assert len(model.predict(tables)) == len(scored)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "scored.parquet").equals(score(ranker, tables))
