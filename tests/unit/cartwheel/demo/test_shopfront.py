"""The replayed shopfront: its chances by hand, its frequencies within what chance allows, its events within the contract."""

from datetime import UTC, date, datetime
from math import exp, sqrt

import numpy as np
import polars as pl
import pytest

from cartwheel.contracts import INTERACTIONS
from cartwheel.demo.shopfront import Shopfront, appeal, replay

DAY = date(2017, 3, 1)
USERS, PLACES = 2000, 8
LISTS = pl.DataFrame(
    {
        "user_key": np.repeat([f"u{user:04}" for user in range(USERS)], PLACES),
        "item_id": np.tile([f"i{place}" for place in range(PLACES)], USERS),
        "rank": np.tile(np.arange(1, PLACES + 1), USERS),
    }
)
BOUGHT = LISTS.filter(pl.int_range(pl.len()) % 3 == 0).select("user_key", "item_id")
PLAIN = Shopfront(examination_decay=1.0, click_wanted=0.5, click_other=0.1, appeal_spread=0.0, purchase_wanted=0.4)


def test_chances_by_hand():
    lists = pl.DataFrame({"user_key": ["ann", "ann"], "item_id": ["a", "b"], "rank": [1, 4]})
    _, truth = replay(lists, pl.DataFrame({"user_key": ["ann"], "item_id": ["b"]}), DAY, PLAIN, seed=1)
    assert truth.rows() == [("ann", "a", 1, False, 1.0, 0.1, 0.0), ("ann", "b", 4, True, 0.25, 0.5, 0.4)]


def test_uplifts_multiply_and_stop_at_one():
    lists = pl.DataFrame({"user_key": ["ann", "ann"], "item_id": ["a", "b"], "rank": [1, 2]})
    raised = Shopfront(
        click_wanted=0.5, click_other=0.1, appeal_spread=0.0, purchase_wanted=0.4, click_uplift=3.0, purchase_uplift=1.5
    )
    _, truth = replay(lists, pl.DataFrame({"user_key": ["ann"], "item_id": ["b"]}), DAY, raised, seed=1)
    assert truth["click"].to_list() == pytest.approx([0.3, 1.0])
    assert truth["purchase"].to_list() == pytest.approx([0.0, 0.6])


def test_frequencies_are_the_chances():
    events, truth = replay(LISTS, BOUGHT, DAY, PLAIN, seed=3)
    happened = {kind: events.filter(pl.col("event_type") == kind) for kind in ("impression", "click", "purchase")}
    assert len(happened["impression"]) == USERS * PLACES
    named = {"user_id": "user_key"}
    for kind, chance in (
        ("click", pl.col("examination") * pl.col("click")),
        ("purchase", pl.col("examination") * pl.col("click") * pl.col("purchase")),
    ):
        done = happened[kind].rename(named).select("user_key", "item_id", done=pl.lit(1.0))
        rows = truth.with_columns(chance=chance).join(done, on=["user_key", "item_id"], how="left")
        rows = rows.with_columns(pl.col("done").fill_null(0.0), variance=pl.col("chance") * (1 - pl.col("chance")))
        groups = rows.group_by("rank", "wanted").agg(pl.col("done", "chance", "variance").sum())
        assert len(groups) == 2 * PLACES
        for _, wanted, count, expected, variance in groups.rows():
            assert abs(count - expected) <= 5 * sqrt(variance)  # five standard deviations of a sum of independent draws
            assert wanted or kind == "click" or count == 0


def test_what_is_bought_was_clicked_and_what_is_clicked_was_shown_before():
    events, _ = replay(LISTS, BOUGHT, DAY, PLAIN, seed=3)
    key = ["request_id", "rank", "user_id", "item_id"]
    steps = events.pivot("event_type", index=key, values="event_ts")
    assert len(steps) == len(LISTS)
    assert steps.filter(pl.col("click") <= pl.col("impression")).is_empty()
    assert steps.filter(pl.col("purchase") <= pl.col("click")).is_empty()
    assert steps.filter(pl.col("purchase").is_not_null() & pl.col("click").is_null()).is_empty()
    assert steps["purchase"].is_not_null().any()
    bought = events.filter(pl.col("event_type") == "purchase").select(user_key="user_id", item_id="item_id")
    assert bought.join(BOUGHT, on=["user_key", "item_id"], how="anti").is_empty()


def test_events_satisfy_the_contract():
    events, _ = replay(LISTS, BOUGHT, DAY, PLAIN, seed=3)
    fields = {field.name: field for field in INTERACTIONS.fields}
    assert set(events.columns) <= fields.keys()
    assert {name for name, field in fields.items() if field.required} <= set(events.columns)
    assert events["event_id"].is_unique().all()
    for name in events.columns:
        field, values = fields[name], events[name].drop_nulls()
        assert not field.required or len(values) == len(events)
        assert field.allowed is None or values.is_in(field.allowed).all()
        assert field.minimum is None or (values >= field.minimum).all()
        assert field.maximum is None or (values <= field.maximum).all()
    start = datetime(2017, 3, 1, tzinfo=UTC)
    assert events["event_ts"].dt.date().unique().to_list() == [start.date()]


def test_one_seed_gives_the_same_bytes_in_any_order_of_rows():
    once, _ = replay(LISTS, BOUGHT, DAY, PLAIN, seed=3)
    again, _ = replay(LISTS.sample(fraction=1.0, shuffle=True, seed=1), BOUGHT.reverse(), DAY, PLAIN, seed=3)
    assert once.write_csv() == again.write_csv()
    assert once.write_csv() != replay(LISTS, BOUGHT, DAY, PLAIN, seed=4)[0].write_csv()


def test_appeal_is_the_items_own_with_mean_one():
    items = [str(number) for number in range(20_000)]
    drawn, spread = appeal(items, 0.7), 0.7
    assert appeal(["17"], 0.7)[0] == drawn[17]
    deviation = sqrt(exp(spread**2) - 1)  # of a log-normal with mean 1
    assert abs(drawn.mean() - 1) < 5 * deviation / sqrt(len(items))
    assert (appeal(items, 0.0) == 1).all()


def test_nothing_shown_and_two_items_at_one_place():
    events, truth = replay(LISTS.clear(), BOUGHT, DAY, PLAIN, seed=3)
    assert events.is_empty() and truth.is_empty()
    double = pl.DataFrame({"user_key": ["ann", "ann"], "item_id": ["a", "b"], "rank": [1, 1]})
    with pytest.raises(ValueError, match="two items at one rank"):
        replay(double, BOUGHT, DAY, PLAIN, seed=3)
