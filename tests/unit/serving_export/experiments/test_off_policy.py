"""Off-policy estimates on a log whose answer is known: a shopfront that shuffles some lists, by chances that are known."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.off_policy_log import shuffled_log
from cartwheel.demo.shopfront import Shopfront, replay
from serving_export.experiments.off_policy import Log, NoSupportError, doubly_robust, effective_rows, ips, snips

USERS, ITEMS = 3000, 5
FRONT = Shopfront(examination_decay=1.0, click_wanted=0.9, click_other=0.2)


@pytest.fixture(scope="module")
def shop():
    """Each user's list in the shop's order, what they want, and the new ranking: the list turned round."""
    lists = pl.DataFrame(
        {
            "user_key": np.repeat([f"u{user:04}" for user in range(USERS)], ITEMS),
            "item_id": np.tile([f"i{item}" for item in range(ITEMS)], USERS),
            "rank": np.tile(np.arange(1, ITEMS + 1), USERS),
        }
    )
    purchases = lists.filter(pl.col("item_id") == "i4").select("user_key", "item_id")
    return lists, purchases, lists.with_columns(rank=ITEMS + 1 - pl.col("rank"))


def true_value(shop) -> float:
    """Expected clicks per list of the new ranking."""
    _, purchases, turned = shop
    _, truth = replay(turned, purchases, date(2017, 12, 1), FRONT, seed=0)
    return (truth["examination"] * truth["click"]).sum() / USERS


def test_all_three_find_what_the_new_ranking_is_worth(shop):
    truth = true_value(shop)
    log = shuffled_log(*shop, FRONT, seed=1)
    shown = log.reward.sum() / USERS
    assert shown < 0.75 * truth  # the log's own ranking earns much less
    for estimate in (ips, snips, doubly_robust):
        found = estimate(log)
        assert found.covers(truth) and found.low > shown, estimate.__name__


def test_a_good_model_makes_the_interval_narrower_and_a_bad_one_does_not_mislead(shop):
    log = shuffled_log(*shop, FRONT, seed=2)
    weighted, robust = ips(log), doubly_robust(log)
    assert robust.high - robust.low < weighted.high - weighted.low
    wrong = replace(log, predicted=np.full(len(log.reward), 0.5), of_target=np.full(USERS, 0.5 * ITEMS))
    assert doubly_robust(wrong).covers(true_value(shop))


def test_intervals_cover_the_truth_as_often_as_they_say(shop):
    truth = true_value(shop)
    logs = [shuffled_log(*shop, FRONT, seed) for seed in range(100, 160)]
    for estimate in (ips, snips, doubly_robust):
        assert sum(estimate(log).covers(truth) for log in logs) >= 52, estimate.__name__  # 95 % of 60 is 57


def test_by_hand():
    """Two users, 100 requests of one place each; weights 2 and 0, every weighted row clicked: 0.5·2 = 1 click a list."""
    user, request = np.repeat([0, 1], 100), np.arange(200)
    target = np.tile([1.0, 0.0], 100)
    made = Log(user, request, target, np.full(200, 0.5), target, list_size=1)
    assert ips(made).value == snips(made).value == 1.0
    assert effective_rows(made) == 100


def test_without_support_there_is_no_answer(shop):
    """A shop that never shuffles shows the middle item at its new rank, and no other: the log cannot tell."""
    lists, purchases, turned = shop
    log = shuffled_log(lists, purchases, turned, FRONT, seed=3, shuffled=0.0)
    for estimate in (ips, snips, doubly_robust):
        with pytest.raises(NoSupportError, match=r"weights make 0\.20 of what they should"):
            estimate(log)


def test_a_log_that_hardly_overlaps_says_nothing(shop):
    log = shuffled_log(*shop, FRONT, seed=4)
    few = log.user < 10
    small = replace(
        log, user=log.user[few], request=log.request[few], reward=log.reward[few], propensity=log.propensity[few],
        target=log.target[few], predicted=None, of_target=None,
    )  # fmt: skip
    with pytest.raises(NoSupportError, match="needs 100: they hardly overlap"):
        snips(small)


def test_wrong_propensities_are_noticed(shop):
    log = shuffled_log(*shop, FRONT, seed=5)
    with pytest.raises(NoSupportError, match="propensities are wrong"):
        ips(replace(log, propensity=np.minimum(1, log.propensity * 1.5)))
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        replace(log, propensity=log.propensity * 0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        replace(log, target=log.target * 2)
    with pytest.raises(ValueError, match="need a model's guesses"):
        doubly_robust(replace(log, predicted=None, of_target=None))
