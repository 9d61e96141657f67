"""Explanations: they add up, they are Shapley values, and they find a cause that was planted."""

import copy
import itertools
import math
from datetime import date

import numpy as np
import polars as pl
import pytest
import torch
import training_shop

from cartwheel.contracts import LAKE_SCHEMAS, REASON_GROUPS
from training.model import GROUPS, LEFT_OUT, TABLES, PerMember, Ranker, Scorer, groups_of, shapley_weights, sums_of_coalitions
from training.train import fit

CUTOFF = date(1999, 6, 1)


@pytest.fixture(scope="module")
def shop() -> dict[str, pl.DataFrame]:
    return training_shop.tables(CUTOFF)


@pytest.fixture(scope="module")
def trained(shop: dict[str, pl.DataFrame]) -> Ranker:
    return fit({CUTOFF: shop}, {CUTOFF: training_shop.labels(CUTOFF)}, 5, encoder_epochs=1, scorer_epochs=2)[0]


@pytest.fixture
def ranker(trained: Ranker) -> Ranker:
    """A copy that a test may change."""
    return copy.deepcopy(trained)


def explain(ranker: Ranker, shop: dict[str, pl.DataFrame], pairs: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(ranker.explain(pairs.to_arrow(), **{name: shop[name].to_arrow() for name in TABLES}))


def test_the_groups_are_those_of_the_lake() -> None:
    assert tuple(GROUPS) == REASON_GROUPS


def test_every_feature_has_its_group(ranker: Ranker) -> None:
    names = ranker.config["features"]
    by_name = {name: [*GROUPS, None][place] for name, place in zip(names, groups_of(names), strict=True)}
    assert {name for name, group in by_name.items() if group is None} == {name for name in names if name.startswith("user_")}
    assert by_name["bought"] == by_name["own_share"] == by_name["buy_again_rank"] == "own"
    assert by_name["item_cf_rank"] == by_name["sources"] == "similar"
    assert by_name["item_price_change_7_90"] == by_name["item_mailer_regions"] == "price"
    assert by_name["item_purchases_28"] == by_name["popular_rank"] == "item"
    assert by_name["ranker_score"] == "sequence"


def test_shapley_values_by_their_definition() -> None:
    """Three players and any values: the mean over all orders of what each adds by joining."""
    members, weights = shapley_weights(3)
    values = np.array([0.0, 4.0, 1.0, 7.0, -2.0, 3.0, 5.0, 11.0])
    worth = {frozenset(np.flatnonzero(row).tolist()): value for row, value in zip(members, values, strict=True)}
    expected = [0.0, 0.0, 0.0]
    for order in itertools.permutations(range(3)):
        for place, player in enumerate(order):
            added = worth[frozenset(order[: place + 1])] - worth[frozenset(order[:place])]
            expected[player] += added / math.factorial(3)
    assert np.allclose(weights @ values, expected)


def test_sums_of_coalitions_come_in_the_order_of_their_members() -> None:
    nobody, adds = torch.tensor([100.0, 0.0]), torch.tensor([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    sums = torch.stack(list(sums_of_coalitions(nobody, adds)))
    assert torch.equal(sums, nobody + torch.from_numpy(shapley_weights(3)[0]).float() @ adds)


def test_effects_add_up_to_the_score_and_do_not_depend_on_the_batch(ranker: Ranker, shop: dict[str, pl.DataFrame]) -> None:
    scored = pl.DataFrame(ranker.score(**{name: shop[name].to_arrow() for name in TABLES}))
    explained = explain(ranker, shop, scored.select("user_key", "item_id"))
    assert explained.columns == LAKE_SCHEMAS["explanations"].names
    both = explained.join(scored, on=["user_key", "item_id"], how="left", maintain_order="left")
    assert len(both) == len(scored)
    total = both.select(pl.sum_horizontal("baseline", *GROUPS)).to_series().to_numpy()
    assert np.allclose(1 / (1 + np.exp(-total)), both["score"].to_numpy(), atol=1e-5)

    some = {name: t.filter(pl.col("user_key") < "u02") if "user_key" in t.columns else t for name, t in shop.items()}
    alone = explain(ranker, some, explained.filter(item_id="i03").select("user_key", "item_id"))
    again = explained.filter((pl.col("user_key") < "u02") & (pl.col("item_id") == "i03"))
    assert alone.select("user_key", "item_id").equals(again.select("user_key", "item_id"))
    assert np.allclose(alone.select(*GROUPS), again.select(*GROUPS), atol=1e-5)


def test_a_group_that_is_as_in_the_baseline_adds_nothing(ranker: Ranker, shop: dict[str, pl.DataFrame]) -> None:
    unknown = shop["candidates"].join(shop["user_item"], on=["user_key", "item_id"], how="anti").select("user_key", "item_id")
    explained = explain(ranker, shop, unknown)
    assert len(explained) == len(unknown) > 0
    assert (explained["own"] == 0.0).all()
    assert explained["sequence"].abs().min() > 0


def decide_by(scorer: Scorer, column: int) -> None:
    """Make a scorer's logit one of its transformed inputs, so that the cause of every score is known."""
    picks, listens = torch.nn.Linear(scorer.trunk[0][0].in_features, 1), PerMember(1, 1, 1)
    with torch.no_grad():
        picks.bias.zero_()
        picks.weight.zero_()[0, column] = 1.0
        listens.bias.zero_()
        listens.weight.fill_(1.0)
    scorer.trunk, scorer.heads = torch.nn.Sequential(torch.nn.Sequential(picks)), listens


@pytest.mark.parametrize(("feature", "group"), [("own_decayed_visits", "own"), ("sub_purchases", "affinity")])
def test_the_feature_that_alone_decides_gets_all_of_the_score(
    ranker: Ranker, shop: dict[str, pl.DataFrame], feature: str, group: str
) -> None:
    column = ranker.config["features"].index(feature)
    decide_by(ranker.scorer, column)
    rows = ranker.assemble(shop)
    inputs = ranker.scorer.transform(torch.from_numpy(rows.features))[:, column]  # 0 in the baseline
    explained = explain(ranker, shop, rows.pairs.select("user_key", "item_id"))
    assert explained[group].abs().max() > 0.1
    assert np.allclose(explained[group], inputs, atol=1e-5)
    for other in set(GROUPS) - {group}:
        assert np.allclose(explained[other], 0.0, atol=1e-6)


def test_the_purchase_that_alone_moves_the_state_is_named(ranker: Ranker, shop: dict[str, pl.DataFrame]) -> None:
    """Whoever bought i01 has a state along its own vector, all others none; so only i01 can move a score."""
    marked = ranker.config["vocabulary"]["item_id"].index("i01") + 2
    direction = torch.ones(ranker.config["encoder"]["width"])

    def states(codes: torch.Tensor, days: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        return (codes[..., 0] == marked).any(1)[:, None] * direction

    ranker.encoder.forward = states
    explained = explain(ranker, shop, shop["candidates"].select("user_key", "item_id"))
    buyers = shop["user_item"].filter(item_id="i01")["user_key"]
    logits = ranker.encoder.scale * ranker.assemble(shop).vectors.detach().sum(1)
    expected = dict(zip(sorted(shop["items"]["item_id"]), logits.tolist(), strict=True))
    named = explained.explode("moved_by", "moved_by_effects").drop_nulls("moved_by")
    assert set(named["moved_by"]) == {"i01"} and set(named["user_key"]) == set(buyers)
    for item, effect in named.select("item_id", "moved_by_effects").iter_rows():
        assert effect == pytest.approx(expected[item], abs=1e-5)
    assert {item for item, effect in expected.items() if effect > 1e-5} <= set(named["item_id"])


def test_leaving_out_is_as_if_it_had_not_been_bought(ranker: Ranker, shop: dict[str, pl.DataFrame]) -> None:
    sequences = shop["sequences"].head(3)
    ids, added = ranker.history_effects(sequences, shop["items"])
    states = ranker.user_states(sequences, shop["items"])
    assert ids.shape == (3, LEFT_OUT) and ids[0, 0] == sequences["item_ids"][0][-1]
    for nth in (0, 4):
        bought = sequences.filter(user_key=sequences["user_key"][0]).explode("item_ids", "event_ts", "session_ids")
        without = bought.filter(pl.col("item_ids") != ids[0, nth]).group_by("user_key", maintain_order=True).all()
        expected = states[0] - ranker.user_states(without, shop["items"])[0]
        assert torch.allclose(added[0, nth], expected, atol=1e-5)
