"""The encoder on bare sequences: settings by the data's size, windows and batches by hand, and a rule that is found."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import next_item
from training.next_item import Settings, fit, next_items, settings_for

TINY = Settings(length=12, dropout=0.0, width=16, layers=1, epochs=12, learning_rate=1e-2, items_per_step=256)


def rounds(users: int = 60, items: int = 12) -> list[np.ndarray]:
    """Everybody goes round the catalogue in the same direction, from another place."""
    return [(np.arange(9) + start) % items for start in range(users)]


def test_the_next_item_of_a_round_is_found_from_a_history_of_any_length():
    encoder, history = fit(rounds(), 12, TINY, seed=1)
    scores = next_items(encoder, [np.array([3]), np.array([1, 2, 3]), np.arange(40) % 12])
    assert scores.argmax(1).tolist() == [4, 4, 4]
    assert history.losses[-1] < history.losses[0]


def test_one_seed_gives_the_same_bytes_and_another_does_not():
    first, again, other = (next_items(fit(rounds(), 12, TINY, seed)[0], [np.array([3])]) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_scores_do_not_depend_on_who_else_is_in_the_batch():
    encoder, _ = fit(rounds(), 12, TINY, seed=1)
    together = next_items(encoder, [np.array([3]), np.arange(10)])
    alone = next_items(encoder, [np.array([3])])
    assert together[0] == pytest.approx(alone[0], abs=1e-4)


def test_fewer_views_of_an_item_mean_more_dropout_and_small_data_small_steps():
    sparse = settings_for([np.arange(8)] * 100, items=100)
    dense = settings_for([np.arange(100)] * 1000, items=300)
    assert (sparse.dropout, dense.dropout) == (0.5, 0.2)
    assert (sparse.items_per_step, dense.items_per_step) == (256, 2048)
    assert (sparse.length, dense.length) == (10, 100)


def test_nobody_with_two_items_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="no user with two items"):
        fit([np.array([0])], 1, TINY, seed=1)


def test_windows_overlap_by_the_item_that_one_ends_and_the_next_begins_on():
    pieces = [piece.tolist() for piece in next_item._windows(np.arange(1, 8), 3)]
    assert pieces == [[5, 6, 7], [3, 4, 5], [1, 2, 3]]
    assert [piece.tolist() for piece in next_item._windows(np.arange(1, 5), 3)] == [[2, 3, 4], [1, 2]]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(60, 300))
def test_every_row_is_in_one_batch_and_no_batch_is_much_too_large(lengths, items_per_step):
    lengths = np.array(lengths)
    bounds = next_item._bounds(lengths, items_per_step)
    batches = list(next_item._of_like_length(lengths, bounds, np.random.default_rng(1)))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == len(bounds) - 1
    in_order = np.sort(lengths)
    for start, end in itertools.pairwise(bounds):
        assert (end - start) * in_order[start:end].max() <= items_per_step


def test_a_state_is_of_its_past_alone():
    encoder, _ = fit(rounds(), 12, TINY, seed=1)
    codes = torch.tensor([[1, 2, 3, 4, 5]])[..., None]
    changed = codes.clone()
    changed[0, 3:] = 9
    with torch.no_grad():
        assert torch.equal(encoder(codes)[:, :3], encoder(changed)[:, :3])
