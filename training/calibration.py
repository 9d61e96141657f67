"""Whether scores mean what they say: the share that was bought, beside the probability that was given."""

import math

import numpy as np
import polars as pl

# Deciles of the scores; the highest in three, because the lists are made of it.
QUANTILES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
LOWEST = 1e-4  # scores below are shown with it
BINS_PER_DECADE = 8


def reliability(rows: pl.DataFrame) -> pl.DataFrame:
    """By bin of the scores between `QUANTILES`: from, to (shares of the rows), rows, predicted (mean score), bought (share).

    `rows` has score and label (0 or 1). Equal scores are in one bin; a bin without a row is left out.
    """
    share_below = (rows["score"].rank("min") - 1) / max(len(rows), 1)
    bins = rows.with_columns(bin=pl.Series(np.searchsorted(QUANTILES[1:-1], share_below, side="right"), dtype=pl.UInt32))
    table = bins.group_by("bin").agg(pl.len().alias("rows"), predicted=pl.col("score").mean(), bought=pl.col("label").mean())
    edges = pl.DataFrame({"from": QUANTILES[:-1], "to": QUANTILES[1:]}).with_row_index("bin")
    return edges.join(table, on="bin").sort("bin").drop("bin")


def expected_error(table: pl.DataFrame) -> float:
    """The expected calibration error: the mean over rows of |predicted − bought| of the row's bin.

    The measure is that of Naeini, Cooper and Hauskrecht (AAAI 2015), on the bins of `reliability`.
    """
    if not len(table):
        return float("nan")
    gaps = (pl.col("predicted") - pl.col("bought")).abs() * pl.col("rows")
    return float(table.select(gaps.sum() / pl.col("rows").sum()).item())


def distribution(rows: pl.DataFrame) -> pl.DataFrame:
    """How scores are spread, on a logarithmic scale: low and high of each bin, the share in it of the bought and of the others.

    `rows` has score and label (0 or 1). Each share is of its own kind, so that both add up to one.
    """
    count = round(-math.log10(LOWEST) * BINS_PER_DECADE)
    edges = [10 ** ((place - count) / BINS_PER_DECADE) for place in range(count + 1)]
    bin_of = ((pl.col("score").clip(LOWEST, 1).log10() * BINS_PER_DECADE).floor().cast(pl.Int64) + count).clip(0, count - 1)
    found = rows.group_by(bin_of.alias("bin")).agg(bought=pl.col("label").sum(), others=(1 - pl.col("label")).sum())
    bins = pl.DataFrame({"bin": range(count), "low": edges[:-1], "high": edges[1:]}).join(found, on="bin", how="left")
    share = [(pl.col(kind).fill_null(0) / pl.col(kind).sum()).alias(kind) for kind in ("bought", "others")]
    return bins.sort("bin").select("low", "high", *share)
