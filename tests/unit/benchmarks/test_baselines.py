"""The table of baselines: differences by hand, and the whole command on a small file."""

import json

import numpy as np
import pytest

from benchmarks import baselines

FILE = "".join(f"u{n} {' '.join(f'i{(n + step) % 6}' for step in range(4))}\n" for n in range(12))


def test_differences_are_to_the_first_row():
    found = baselines.compare({"first": np.array([1.0, 0.0, 0.5]), "other": np.array([0.5, -0.5, 0.0])})
    assert found["first"][0].value == 0.5
    assert found["other"][0].value == 0
    assert [*vars(found["other"][1]).values()] == pytest.approx([-0.5] * 3)  # the same for every user, so for every resample
    plain = baselines.plain(found, "_new")
    assert plain["other_less_first_new"] == plain["other_less_first_new_low"] == pytest.approx(-0.5)
    assert "first_less_first_new" not in plain


def test_the_command_prints_one_line_of_figures(tmp_path, capsys, monkeypatch):
    file = tmp_path / "round.txt"
    file.write_text(FILE)
    monkeypatch.setattr("sys.argv", ["baselines", "--data", str(file), "--methods", "popularity", "item_knn"])
    baselines.main()
    figures = json.loads(capsys.readouterr().out)
    assert (figures["data"], figures["users"], figures["items"]) == ("round.txt", 12, 6)
    # Two items of six are had before the target's two; popularity ties all six, and the target is last of the other three.
    assert figures["popularity_mrr"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["item_knn_less_popularity"] == pytest.approx(
        figures["item_knn_ndcg_at_10"] - figures["popularity_ndcg_at_10"], abs=2e-6
    )
