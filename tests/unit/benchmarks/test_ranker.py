"""What the benchmark of the encoder prints: for each seed its quality, and how well its training was fed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import ranker
from benchmarks.leave_one_out import Split
from training import next_item


def test_the_pace_of_every_training_is_told(monkeypatch, capsys):
    draw = np.random.default_rng(1)
    split = Split([f"u{n}" for n in range(40)], [f"i{n}" for n in range(20)], [draw.permutation(20)[:8] for _ in range(40)])
    settings_for = next_item.settings_for
    monkeypatch.setattr(ranker, "read_split", lambda path: split)
    monkeypatch.setattr(ranker.next_item, "settings_for", lambda *data: replace(settings_for(*data), epochs=1, width=8))
    monkeypatch.setattr("sys.argv", ["ranker", "made-up", "--seeds", "1", "2"])
    ranker.main()
    printed = capsys.readouterr()
    figures = json.loads(printed.out.splitlines()[-1])
    assert {len(figures[name]) for name in (*ranker.PACE, "seeds")} == {2}
    assert min(figures["examples_per_second"]) > 0
    assert all(0 < share < 1 for share in figures["data_share"] + figures["matrix_share"])
    assert list(figures)[-2:] == ["hr_at_10", "ndcg_at_10"] and figures["hr_at_10"] == pytest.approx(0.5, abs=0.5)
