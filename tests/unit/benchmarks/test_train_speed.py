"""What is exchanged with the peer: interactions a row each, and lists that are measured like scores."""

import json

import numpy as np
import pytest

from benchmarks import train_speed
from benchmarks.leave_one_out import Split, evaluate_rows


def test_sequences_as_rows():
    rows = train_speed.flat("train", np.array([4, 7]), [np.array([1, 2]), np.array([0])])
    assert {name: values.tolist() for name, values in rows.items()} == {"train_users": [4, 4, 7], "train_items": [1, 2, 0]}


def test_a_target_has_the_place_it_has_in_the_list():
    split = Split(list("uvw"), list("abcdef"), [np.array([0, 1, 5])] * 3)
    lists = np.array([[5, 3], [2, 5], [4, -1]])
    # Not listed: behind the item that is, and tied with the others outside the history.
    assert evaluate_rows(split, lambda rows: train_speed.scores_of(lists[rows], 6)).places.tolist() == [1, 2, 4]


def test_the_report_divides_medians(capsys):
    seconds = {train_speed.OURS: [1.0, 9.0, 2.0], train_speed.PEER: [5.0, 4.0, 30.0]}
    ndcg = {train_speed.OURS: [np.array([1.0, 0.5])] * 3, train_speed.PEER: [np.array([0.5, 0.0])] * 3}
    train_speed.report(seconds, ndcg, {"epochs": 5, "threads": 1})
    figures = json.loads(capsys.readouterr().out)
    assert figures["speedup_over_rectools"] == pytest.approx(5 / 2)
    assert (figures["ndcg_ours"], figures["ndcg_rectools"], figures["ndcg_difference_low"]) == (0.75, 0.25, 0.5)
