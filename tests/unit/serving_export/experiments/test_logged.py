"""A log with propensities becomes what the estimators take, and they find what another ranking is worth."""

import numpy as np
import polars as pl
import pytest

from serving_export.experiments.logged import SHOWN, NothingLoggedError, log_of
from serving_export.experiments.off_policy import doubly_robust, ips, snips

USERS, PLACES = 400, 3
NEW = pl.DataFrame(
    {
        "user_key": np.repeat([f"u{user:03}" for user in range(USERS)], PLACES),
        "item_id": ["best", "good", "poor"] * USERS,
        "rank": np.tile([1, 2, 3], USERS).astype(np.int32),
    }
)
CLICKED = {("best", 1): 0.8, ("best", 2): 0.4, ("best", 3): 0.2, ("good", 2): 0.3}  # by item and rank; else never


def shown(seed: int = 3) -> pl.DataFrame:
    """Two requests a user, each in an order drawn evenly from all six: each item at each rank with the chance 1/3."""
    chance, rows = np.random.default_rng(seed), []
    for user in range(USERS):
        for number in range(2):
            for rank, item in enumerate(chance.permutation(["best", "good", "poor"]), start=1):
                clicked = bool(chance.random() < CLICKED.get((str(item), rank), 0))
                rows.append((f"u{user:03}", f"{user}-{number}", str(item), rank, 1 / 3, clicked))
    return pl.DataFrame(rows, SHOWN, orient="row")


def test_the_estimates_hold_what_the_new_ranking_is_worth():
    log, truth = log_of(shown(), NEW, PLACES), CLICKED["best", 1] + CLICKED["good", 2]
    assert (log.list_size, int(log.user.max()) + 1, int(log.request.max()) + 1) == (PLACES, USERS, 2 * USERS)
    for estimate in (ips(log), snips(log), doubly_robust(log)):
        assert estimate.covers(truth) and estimate.high - estimate.low < 0.4
    assert log.reward.sum() / (2 * USERS) < 0.7 * truth


def test_the_order_of_rows_does_not_matter():
    rows = shown()
    assert ips(log_of(rows.sample(fraction=1, shuffle=True, seed=1), NEW.reverse(), PLACES)) == ips(log_of(rows, NEW, PLACES))


def test_only_whole_lists_of_users_with_a_new_list_as_long_count():
    rows = shown()
    cut_off = rows.filter(~((pl.col("request_id") == "7-0") & (pl.col("rank") == 2)))
    without, shorter = (
        NEW.filter(pl.col("user_key") != "u008"),
        NEW.filter(~((pl.col("user_key") == "u009") & (pl.col("rank") == 3))),
    )
    assert int(log_of(cut_off, NEW, PLACES).request.max()) + 1 == 2 * USERS - 1
    assert int(log_of(rows, without, PLACES).user.max()) + 1 == int(log_of(rows, shorter, PLACES).user.max()) + 1 == USERS - 1


def test_what_was_logged_twice_counts_once_and_deeper_places_do_not_count():
    rows = shown()
    deeper = rows.filter(pl.col("rank") == 1).with_columns(rank=pl.lit(4, pl.Int64), item_id=pl.lit("more"))
    assert ips(log_of(pl.concat([rows, rows.head(50), deeper]), NEW, PLACES)) == ips(log_of(rows, NEW, PLACES))


@pytest.mark.parametrize("rows", [shown().clear(), shown().filter(user_key="u001")], ids=["nothing", "one user"])
def test_too_little_is_told(rows):
    with pytest.raises(NothingLoggedError, match=r"of (0|2) lists that were shown with propensities, (0|2) have 3 places"):
        log_of(rows, NEW, PLACES)
