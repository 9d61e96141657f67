"""Calibration against values worked out by hand."""

import math

import polars as pl
import pytest

from training import calibration


def rows(scores: list[float], labels: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"score": scores, "label": labels})


def test_a_bin_for_each_decile_and_three_for_the_highest():
    scores = [place / 200 for place in range(200)]
    table = calibration.reliability(rows(scores, [int(place >= 190) for place in range(200)]))
    assert table["rows"].to_list() == [20] * 9 + [10, 8, 2]
    assert table["bought"].to_list() == [0.0] * 10 + [1.0, 1.0]
    assert table["predicted"][0] == pytest.approx(9.5 / 200) and table["predicted"][-1] == pytest.approx(198.5 / 200)
    assert (table["from"][-1], table["to"][-1]) == (0.99, 1.0)


def test_equal_scores_are_in_one_bin():
    table = calibration.reliability(rows([0.25] * 50, [1] * 10 + [0] * 40))
    assert table.rows() == [(0.0, 0.1, 50, 0.25, pytest.approx(0.2))]
    assert calibration.expected_error(table) == pytest.approx(0.05)


def test_the_expected_error_weighs_bins_by_their_rows():
    table = pl.DataFrame({"rows": [90, 10], "predicted": [0.1, 0.5], "bought": [0.1, 0.9]})
    assert calibration.expected_error(table) == pytest.approx(0.04)


def test_nothing_scored_has_no_error():
    empty = rows([], []).cast({"score": pl.Float64, "label": pl.Int64})
    assert math.isnan(calibration.expected_error(calibration.reliability(empty)))


def test_scores_that_mean_what_they_say_have_no_error():
    table = calibration.reliability(rows([0.0] * 10 + [1.0] * 10, [0] * 10 + [1] * 10))
    assert calibration.expected_error(table) == 0


def test_the_distribution_adds_up_for_each_kind_and_holds_both_ends():
    bins = calibration.distribution(rows([0.0, 1e-9, 0.5, 1.0, 0.02], [0, 0, 1, 1, 0]))
    assert bins["bought"].sum() == pytest.approx(1) and bins["others"].sum() == pytest.approx(1)
    assert bins["others"][0] == pytest.approx(2 / 3)  # below the lowest score shown
    assert bins["low"][0] == pytest.approx(1e-4) and bins["high"][-1] == 1
    half = bins.filter(pl.col("low") <= 0.5, pl.col("high") > 0.5)
    assert half["bought"].to_list() == [0.5]
    assert bins["bought"][-1] == 0.5  # a certain one
