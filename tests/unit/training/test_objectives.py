"""The scorer's objectives: the entire space by hand, the place of what was shown, and answers that are known."""

from dataclasses import replace
from datetime import date
from itertools import chain
from math import log

import numpy as np
import polars as pl
import pytest
import torch
import training_shop
from scipy.special import expit, xlogy

from cartwheel.demo.shopfront import Shopfront, replay
from training import scorer
from training.model import TABLES, Examination, Ranker, Rows, Scorer, logit_of_both
from training.scorer import Examples
from training.train import fit

CUTOFF = date(1999, 6, 1)
PAIRS = pl.DataFrame({"user_key": ["ann", "ann", "bob", "bob"], "item_id": ["a", "b", "a", "b"]})
EVENTS = pl.DataFrame(
    [
        ("ann", "a", "impression", 3),
        ("ann", "a", "impression", 2),
        ("ann", "a", "click", 2),
        ("ann", "b", "impression", None),
        ("bob", "b", "purchase", None),
        ("eve", "a", "click", 1),
    ],
    schema={"user_key": pl.String, "item_id": pl.String, "event_type": pl.String, "rank": pl.Int32},
    orient="row",
)


def test_a_product_of_chances_by_its_logits():
    half, never = torch.zeros(1), torch.tensor([-200.0])
    assert logit_of_both(half, half).item() == pytest.approx(log(0.25 / 0.75))
    assert logit_of_both(half, torch.tensor([float("inf")])).item() == 0.0  # certain, so the other alone remains
    assert logit_of_both(never, half).item() == pytest.approx(-200 - log(2))
    assert logit_of_both(-never, -never).item() == pytest.approx(200 - log(2))


def test_the_first_place_is_looked_at_and_the_others_by_their_band():
    seen = Examination()
    with torch.no_grad():
        seen.bands.copy_(torch.arange(8) / seen.SPEED)
    ranks = torch.tensor([0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 1000])
    assert seen(ranks).tolist() == pytest.approx([0, float("inf"), 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7])


def three_lists() -> Examples:
    """Lists of 3, 2 and 1 rows, of which the first of each list is chosen; a negative that stands for two."""
    first = np.float32([1, 0, 0, 1, 0, 1])
    weights = np.float32([1, 2, 1, 1, 1, 1])
    return Examples(np.eye(6, dtype=np.float32), first[:, None], np.zeros(6, np.int64), weights, np.array([4, 4, 4, 7, 7, 9]))


def untrained(data: Examples) -> Scorer:
    torch.manual_seed(3)
    network = Scorer(data.features.shape[1], 0, hidden=[8], objectives=1, dropout=0.0, members=1).eval()
    network.fit_transforms(data.features)
    return network


def test_an_epoch_has_every_list_once_and_whole(monkeypatch):
    monkeypatch.setattr(scorer, "ROWS_PER_STEP", 3)
    data = three_lists()
    task = scorer.Task(untrained(data), data, 1)
    batches = [data.lists[batch.numpy()].tolist() for batch in task.batches(0)]
    assert len(batches) == task.steps == 2
    assert sorted(chain.from_iterable(batches)) == data.lists.tolist()
    assert all(batch.count(name) == data.lists.tolist().count(name) for batch in batches for name in batch)


def test_the_loss_is_of_rows_and_of_lists():
    data = three_lists()
    task = scorer.Task(untrained(data), data, 1)
    chance = torch.sigmoid(task.logits(torch.arange(6)))[:, 0, 0].tolist()
    kept = [chance[place] if place in (0, 3, 5) else 1 - chance[place] for place in range(6)]
    of_rows = -sum(weight * log(each) for weight, each in zip(data.weights, kept, strict=True)) / 7
    shares = [chance[0] / (chance[0] + 2 * chance[1] + chance[2]), chance[3] / (chance[3] + chance[4])]
    of_lists = -sum(map(log, shares)) / 7  # the third list has one row, which is sure to be chosen
    loss, count = task.loss(torch.tensor([3, 4, 5, 0, 1, 2]))
    assert (loss.item(), count) == (pytest.approx(of_rows + scorer.LIST_WEIGHT * of_lists), 6)


def test_a_compiled_scorer_is_what_is_trained():
    data, graphs = three_lists(), []

    def backend(graph, _given):
        graphs.append(graph)
        return graph.forward

    network = untrained(data)
    loss, _ = scorer.Task(network, data, 1).loss(torch.arange(6))
    network.compile(backend=backend)
    compiled, _ = scorer.Task(network, data, 1).loss(torch.arange(6))
    assert graphs and torch.equal(compiled, loss)


def alone(network: Scorer, member: int) -> Scorer:
    """One member of a scorer of two layers, as a scorer of its own."""
    one, members = Scorer(6, 0, hidden=[8, 4], objectives=2, dropout=0.0, members=1).eval(), network.heads.members
    own = {"trunk": 0, "heads": 0}  # what members have of their own is stacked, member by member
    state = {
        name: part.unflatten(0, (members, -1))[member] if name.split(".")[0] in own else part
        for name, part in network.state_dict().items()
    }
    one.load_state_dict(state)
    return one


def test_members_know_nothing_of_one_another():
    torch.manual_seed(3)
    data = three_lists()
    data.labels = data.labels.repeat(2, axis=1)
    all_three = Scorer(6, 0, hidden=[8, 4], objectives=2, dropout=0.0, members=3).eval()
    all_three.fit_transforms(data.features)
    members = [alone(all_three, member) for member in range(3)]
    inputs = all_three.transform(torch.from_numpy(data.features))
    logits = torch.cat([member(inputs) for member in members], dim=1)
    assert torch.allclose(all_three(inputs), logits, atol=1e-6) and logits.std(1).min() > 1e-3
    losses = [scorer.Task(each, data, 1).loss(torch.arange(6))[0].item() for each in members]
    assert scorer.Task(all_three, data, 1).loss(torch.arange(6))[0].item() == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_lists_of_different_cutoffs_stay_different():
    assert scorer.joined([three_lists(), three_lists()]).lists.tolist() == [4, 4, 4, 7, 7, 9, 14, 14, 14, 17, 17, 19]


def inputs(rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed)) * 3


@torch.no_grad()
def at(network: Scorer, rank: torch.Tensor | None) -> torch.Tensor:
    """The first member's probabilities [rows, objectives] of items shown at a rank."""
    return torch.sigmoid(network(inputs(500), rank))[:, 0]


def test_what_is_bought_is_clicked_and_rank_lowers_both_alike():
    torch.manual_seed(2)
    two = Scorer(2, 1, hidden=[8], objectives=2, dropout=0.0, members=2, ranked=True).eval()
    looked_at, third = at(two, None), at(two, torch.full((500,), 3))
    assert (looked_at[:, 0] <= looked_at[:, 1]).all() and looked_at.std(dim=0).min() > 0
    assert torch.allclose(third, looked_at / 2, rtol=1e-4)  # bands start at a half
    assert torch.equal(at(two, torch.ones(500, dtype=torch.long)), looked_at)


def test_purchases_alone_are_one_head_and_its_plain_logit():
    torch.manual_seed(2)
    one = Scorer(2, 1, hidden=[8], objectives=1, dropout=0.0, members=1).eval()
    assert not any(name.startswith("examination") for name in one.state_dict())
    plain = one.heads(one.trunk(inputs(50)))
    assert plain.shape == (50, 1) and torch.equal(one(inputs(50))[:, 0], plain)
    assert scorer.objectives(EVENTS.filter(pl.col("event_type") != "click")) == ["purchase"]
    ranker, _ = fit({CUTOFF: training_shop.tables(CUTOFF)}, {CUTOFF: training_shop.labels(CUTOFF)}, 5, encoder_epochs=1)
    assert ranker.config["objectives"] == ["purchase"] and not ranker.config["ranked"]


def test_a_purchase_counts_as_a_click():
    names = scorer.objectives(EVENTS)
    assert names == ["purchase", "click"]
    assert scorer.labels(PAIRS, EVENTS, names).tolist() == [[0, 1], [0, 0], [0, 0], [1, 1]]


def test_the_best_place_counts_and_an_impression_without_one_does_not():
    assert scorer.shown_ranks(PAIRS, EVENTS).tolist() == [2, 0, 0, 0]


def test_heads_start_at_the_rates():
    two = Scorer(2, 1, hidden=[8], objectives=2, dropout=0.0, members=2)
    two.start_from_rates(torch.tensor([0.02, 0.1]))
    assert torch.sigmoid(two.heads.bias).tolist() == pytest.approx([0.2, 0.1] * 2)


def test_a_shop_with_a_shopfront_gets_both_heads_and_its_model_can_be_restored(tmp_path):
    tables = training_shop.tables(CUTOFF)
    lists = tables["candidates"].select("user_key", "item_id", rank="popular_rank")
    bought = training_shop.labels(CUTOFF)
    shown, _ = replay(lists, bought, CUTOFF, Shopfront(click_wanted=0.9), seed=1)
    shown = shown.select("item_id", "event_type", "event_ts", user_key="user_id", rank=pl.col("rank").cast(pl.Int32))
    events = pl.concat([bought, shown.select(bought.columns)])
    ranker, _ = fit({CUTOFF: tables}, {CUTOFF: events}, 5, encoder_epochs=1, scorer_epochs=2)
    assert ranker.config["objectives"] == ["purchase", "click"] and ranker.config["ranked"]
    ranker.save(tmp_path)
    given = {name: tables[name].to_arrow() for name in TABLES}
    scores = pl.DataFrame(ranker.score(**given))
    assert scores["score"].is_between(0, 1, closed="none").all()
    assert pl.DataFrame(Ranker().load(tmp_path).score(**given)).equals(scores)


# Made-up shops of features alone, whose answer is known


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(scorer, "ROWS_PER_STEP", 256)
    monkeypatch.setattr(scorer, "SCHEDULE", replace(scorer.SCHEDULE, learning_rate=5e-3))


def scorer_only(objectives: list[str], examples: Examples, epochs: int) -> Ranker:
    ranker = Ranker()
    ranker.config = {
        "features": [f"x{column}" for column in range(examples.features.shape[1])],
        "scorer": {"members": 1, "hidden": [32], "dropout": 0.0},
        "objectives": objectives,
    }
    scorer.train_scorer(ranker, examples, 1, epochs)
    return ranker


def as_examples(features: np.ndarray, labels: list[np.ndarray], ranks: np.ndarray | None = None) -> Examples:
    places = np.zeros(len(features), np.int64) if ranks is None else ranks
    weights, lists = np.ones(len(features), np.float32), np.arange(len(features)) // 20
    return Examples(features, np.stack(labels, axis=1).astype(np.float32), places, weights, lists)


def chances(ranker: Ranker, features: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(features), np.int64)
    return ranker.probabilities(Rows(pl.DataFrame(), features, rows, rows, torch.zeros(1, 1)))


def log_loss(true: np.ndarray, chance: np.ndarray) -> float:
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return float(-(xlogy(true, chance) + xlogy(1 - true, 1 - chance)).mean())


def test_trained_together_the_chance_of_a_purchase_given_a_click_is_better_known_than_from_clicks_alone(small_steps):
    random = np.random.default_rng(0)
    features = random.normal(size=(6_000, 30)).astype(np.float32)
    interest = np.abs(features[:, 0] + features[:, 1])  # who is interested clicks, and having clicked, buys
    true_click, true_purchase = expit(2 * interest - 6), expit(2 * interest - 7)
    click = random.random(len(features)) < true_click
    purchase = click & (random.random(len(features)) < true_purchase)
    joint = chances(scorer_only(["purchase", "click"], as_examples(features, [purchase, click]), 20), features)
    together = log_loss(true_purchase, joint[:, 0] / joint[:, 1])
    of_clicked = as_examples(features[click], [purchase[click]])
    apart = [log_loss(true_purchase, chances(scorer_only(["purchase"], of_clicked, n), features)[:, 0]) for n in (60, 120, 240)]
    assert together < 0.8 * min(apart)


def test_the_curve_of_places_is_found_and_what_only_stood_high_is_not_preferred(small_steps):
    random = np.random.default_rng(0)
    ranks = random.integers(1, 9, size=8_000)
    habit = -np.log(ranks) + random.normal(size=len(ranks))  # what the shop sorts by: no reason to click
    features = np.stack([random.normal(size=len(ranks)), habit], axis=1).astype(np.float32)
    click = random.random(len(ranks)) < expit(features[:, 0] - 1) / ranks
    aware = scorer_only(["click"], as_examples(features, [click], ranks), 16)
    assert aware.scorer.examination is not None
    found = torch.sigmoid(aware.scorer.examination(torch.tensor([2, 3, 5]))).tolist()
    assert found == pytest.approx([1 / 2, (1 / 3 + 1 / 4) / 2, sum(1 / rank for rank in (5, 6, 7, 8)) / 4], rel=0.25)
    blind = scorer_only(["click"], as_examples(features, [click]), 16)
    high, low = (np.stack([np.zeros(100), np.full(100, place)], axis=1).astype(np.float32) for place in (0.0, -2.0))
    preferred = {ranker: chances(ranker, high).mean() / chances(ranker, low).mean() for ranker in (aware, blind)}
    assert preferred[blind] > 1.5 > 1.25 > preferred[aware]
