"""The variants of a ranker on a tiny shop: what is smaller is smaller, and all score nearly as the full one does."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
import torch
import training_shop
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from cartwheel.settings import Settings
from training import scorer, smaller, train
from training.model import TABLES, Ranker, in_eight_bits, saved_state, state_to_save
from training.scorer import Examples

CUTOFF = date(1999, 6, 1)
TABLES_OF, EVENTS_OF = {CUTOFF: training_shop.tables(CUTOFF)}, {CUTOFF: training_shop.labels(CUTOFF)}
SEED = 5


@pytest.fixture(scope="module", autouse=True)
def as_many_steps_as_in_a_real_shop() -> Iterator[None]:
    """An epoch of the tiny shop is a single step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "SCHEDULE", replace(scorer.SCHEDULE, epochs=150))
        patch.setattr(smaller, "FINE_TUNING", replace(smaller.FINE_TUNING, epochs=30))
        yield


@pytest.fixture(scope="module")
def full() -> Ranker:
    return train.fit(TABLES_OF, EVENTS_OF, SEED, encoder_epochs=2)[0]


@pytest.fixture(scope="module")
def examples(full) -> Examples:
    return train.examples_of(full, TABLES_OF, EVENTS_OF)


@pytest.fixture(scope="module")
def variants(full, examples) -> dict[str, Ranker]:
    return {name: smaller.make(full, name, examples, SEED) for name in smaller.VARIANTS}


def scores(ranker: Ranker) -> np.ndarray:
    return pl.DataFrame(ranker.score(**{name: TABLES_OF[CUTOFF][name].to_arrow() for name in TABLES}))["score"].to_numpy()


@pytest.mark.parametrize("name", smaller.VARIANTS)
def test_a_variant_scores_the_same_after_it_was_saved_and_loaded(variants, name, tmp_path):
    variants[name].save(tmp_path)
    loaded = Ranker().load(tmp_path)
    assert loaded.config["variant"] == name
    assert np.array_equal(scores(loaded), scores(variants[name]))


# Of probabilities: eight bits round; a pruned or distilled scorer is another network.
@pytest.mark.parametrize(("name", "bound"), [("int8", 0.001), ("pruned", 0.05), ("student", 0.1)])
def test_scores_are_near_the_full_ones(variants, full, name, bound):
    gap = np.abs(scores(variants[name]) - scores(full))
    assert 0 < gap.mean() < bound


def test_the_full_variant_is_the_ranker_itself(variants, full):
    assert variants["full"] is full


def test_making_variants_leaves_the_ranker_as_it_was(full, examples):
    before = scores(full)
    for name in smaller.VARIANTS:
        smaller.make(full, name, examples, SEED)
    assert np.array_equal(scores(full), before)
    assert full.config["variant"] == "full" and full.config["scorer"] == train.SCORER


def test_a_row_in_eight_bits_by_hand():
    values, scale = in_eight_bits(torch.tensor([[63.5, -31.75, 0.2, 0.3], [0.0, 0.0, 0.0, 0.0]]))
    assert scale.float().tolist() == [[0.5], [0.0]]
    assert values.tolist() == [[127, -64, 0, 1], [0, 0, 0, 0]]


@given(seed=st.integers(0, 2**32 - 1), exponent=st.floats(-6, 6))
def test_eight_bits_are_near_and_to_round_again_changes_nothing(seed, exponent):
    weight = 10**exponent * torch.randn(5, 9, generator=torch.Generator().manual_seed(seed))
    values, scale = in_eight_bits(weight)
    rounded = values * scale.float()
    assert ((rounded - weight).abs() <= 0.76 * scale.float()).all()  # half a step, and a quarter where 127 is cut off
    assert all(torch.equal(*pair) for pair in zip(in_eight_bits(rounded), (values, scale), strict=True))


def test_eight_bits_shrink_what_is_saved(variants, tmp_path):
    for name in ("full", "int8"):
        variants[name].save(tmp_path / name)
    size = {name: (tmp_path / name / "weights.pt").stat().st_size for name in ("full", "int8")}
    assert size["int8"] < 0.4 * size["full"]  # what is not a matrix of a layer is left as it was


def test_every_matrix_of_a_layer_is_saved_in_eight_bits_and_nothing_else():
    module = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm(3), nn.Embedding(5, 1))
    saved = state_to_save(module, eight_bits=True)
    assert {key for key, part in saved.items() if isinstance(part, tuple)} == {"0.weight", "1.weight"}
    assert saved["0.weight"][0].dtype == torch.int8
    assert saved.keys() == module.state_dict().keys()
    assert {key: part.shape for key, part in saved_state(saved).items()} == {k: p.shape for k, p in module.state_dict().items()}


@pytest.mark.parametrize("name", ["pruned", "student"])
def test_a_scorer_with_fewer_units_has_smaller_matrices(variants, full, name):
    members, hidden = {"pruned": (2, [128, 64]), "student": (1, [64, 32])}[name]
    matrices = [layer[0].weight.shape for layer in variants[name].scorer.trunk]
    inputs = full.scorer.trunk[0][0].in_features
    assert matrices == [(members * hidden[0], inputs), (members * hidden[1], hidden[0])]
    assert variants[name].config["scorer"]["hidden"] == hidden


def test_units_go_with_their_rows_and_columns():
    state = {
        "trunk.0.0.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        **{f"trunk.0.{name}": torch.tensor([7.0, 8.0, 9.0]) for name in ("0.bias", "1.weight", "1.bias")},
        "heads.weight": torch.tensor([[1.0, 2.0, 3.0]]),
        "heads.bias": torch.tensor([4.0]),
    }
    left = smaller.without_units(state, [torch.tensor([[0, 2]])])
    assert left["trunk.0.0.weight"].tolist() == [[1, 2], [5, 6]]
    assert [left[f"trunk.0.{name}"].tolist() for name in ("0.bias", "1.weight", "1.bias")] == [[7, 9]] * 3
    assert left["heads.weight"].tolist() == [[1, 3]] and left["heads.bias"].tolist() == [4]


def test_each_member_keeps_units_of_its_own():
    state = {
        **{f"trunk.{layer}.{name}": torch.arange(4.0) for layer in (0, 1) for name in ("0.bias", "1.weight", "1.bias")},
        "trunk.0.0.weight": torch.arange(8.0).view(4, 2),  # two members of two units that see two inputs
        "trunk.1.0.weight": torch.arange(8.0).view(4, 2),
        "heads.weight": torch.arange(4.0).view(2, 2),
        "heads.bias": torch.tensor([4.0, 5.0]),
    }
    left = smaller.without_units(state, [torch.tensor([[0], [1]]), torch.tensor([[1], [0]])])
    assert left["trunk.0.0.weight"].tolist() == [[0, 1], [6, 7]] and left["trunk.0.0.bias"].tolist() == [0, 3]
    assert left["trunk.1.0.weight"].tolist() == [[2], [5]] and left["trunk.1.1.weight"].tolist() == [1, 2]
    assert left["heads.weight"].tolist() == [[1], [2]] and left["heads.bias"].tolist() == [4, 5]


def test_importance_is_the_squared_change_of_the_loss_by_the_unit(full, examples):
    changed = copy.copy(full)
    changed.scorer = copy.deepcopy(full.scorer)
    weights = changed.scorer.heads.weight.data
    weights[:, 3] = 0  # nobody listens to this unit
    _, last = smaller.importance(changed, examples, SEED)
    task, every = scorer.Task(changed.scorer, examples, SEED), torch.arange(len(examples.labels))
    assert task.steps == 1, "the sum over batches is one of one"
    member, unit = divmod(int(last.argmax()), last.shape[1])
    given = weights.clone()
    losses = []
    for louder in (1.05, 0.95):
        weights[member, unit] = louder * given[member, unit]  # one objective: a row for each member
        losses.append(task.loss(every)[0].item())
    assert (last[:, 3] == 0).all()
    assert last[member, unit].item() == pytest.approx(((losses[0] - losses[1]) / 0.1) ** 2, rel=0.02)


def test_a_student_of_a_teacher_who_knows_better_than_its_labels(full, examples):
    teacher = smaller.chances(full, examples, SEED)
    opposite = replace(examples, labels=np.full_like(examples.labels, 0.5))
    apart = scores(smaller.make(full, "student", opposite, SEED))
    assert teacher.shape == examples.labels.shape
    assert np.corrcoef(apart, scores(full))[0, 1] > 0.5  # the labels say nothing, the teacher all of it


@pytest.mark.parametrize("name", smaller.VARIANTS)
def test_fit_gives_the_variant_that_was_asked_for(name):
    ranker = train.fit(TABLES_OF, EVENTS_OF, SEED, variant=name, encoder_epochs=1, scorer_epochs=1)[0]
    assert ranker.config["variant"] == name


def test_an_unknown_variant_is_no_setting():
    with pytest.raises(ValidationError, match="ranker_variant"):
        Settings(ranker_variant="tiny")
