"""Shops of any size train, or say why they cannot."""

from datetime import date

import polars as pl
import pytest
import training_shop

from training.checks import BadTrainingDataError
from training.model import TABLES
from training.train import OWN_CANDIDATES, fit

CUTOFF = date(1999, 6, 1)


def trained(tables, events):
    return fit({CUTOFF: tables}, {CUTOFF: events}, seed=5, encoder_epochs=1, scorer_epochs=1)


@pytest.mark.parametrize(
    ("users", "items", "visits"),
    [(50, 10, 10), (1, 10, 30), (1, 1, 10), (7, 1, 2), (30, 10, 1)],
    ids=["50 users, 10 items", "1 user", "1 user, 1 item", "1 item", "1 visit each"],
)
def test_every_user_gets_every_candidate_scored(users, items, visits):
    assert items < OWN_CANDIDATES
    sizes = {"users": users, "items": items, "visits": visits}
    tables = training_shop.tables(CUTOFF, **sizes)
    ranker, histories = trained(tables, training_shop.labels(CUTOFF, **sizes))
    scored = pl.DataFrame(ranker.score(**{name: tables[name].to_arrow() for name in TABLES}))
    bought_often = tables["item"].filter(pl.col("purchases") >= 5)
    assert len(scored) == users * len(bought_often) > 0
    assert scored["score"].is_between(0, 1).all()
    assert bool(histories["encoder"].losses) == (visits > 1)  # with one visit each there is nothing that came after it


def test_a_user_without_a_history_among_others_is_scored():
    tables = training_shop.tables(CUTOFF, users=20, items=10)
    ranker, _ = trained(tables, training_shop.labels(CUTOFF, users=20, items=10))
    emptied = tables["sequences"].head(1).with_columns(pl.col("item_ids", "event_ts", "session_ids").list.head(0))
    tables["sequences"] = pl.concat([emptied, tables["sequences"].tail(-1)])
    scored = pl.DataFrame(ranker.score(**{name: tables[name].to_arrow() for name in TABLES}))
    assert scored["user_key"].n_unique() == 20


def test_a_shop_without_purchases_in_its_label_window_says_so():
    events = training_shop.labels(CUTOFF).clear()
    with pytest.raises(BadTrainingDataError, match="bought anything in the label window"):
        trained(training_shop.tables(CUTOFF), events)


def test_a_shop_whose_purchases_are_no_candidates_says_so():
    events = training_shop.labels(CUTOFF).with_columns(item_id=pl.lit("new in the shop"))
    with pytest.raises(BadTrainingDataError, match=r"none of the .* examples was bought"):
        trained(training_shop.tables(CUTOFF), events)


def test_a_shop_with_three_purchases_says_so():
    tables = training_shop.tables(CUTOFF, users=1, items=3, visits=1)
    with pytest.raises(BadTrainingDataError, match="no item was bought 5 times, the most is 1"):
        trained(tables, training_shop.labels(CUTOFF, users=1, items=3, visits=1))
