"""What training refuses: one thing spoilt at a time in a shop that is otherwise fine."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import training_shop

from training.checks import BadTrainingDataError, check_cutoff, check_examples
from training.encoder import MAX_HISTORY

CUTOFF, DAYS, MINIMUM = date(1999, 6, 1), 28, 5
LISTS = ("item_ids", "event_ts", "session_ids")


def check(tables, events, minimum=MINIMUM) -> None:
    check_cutoff(CUTOFF, tables, events, DAYS, minimum)


@pytest.fixture
def tables():
    return training_shop.tables(CUTOFF)


@pytest.fixture
def events():
    return training_shop.labels(CUTOFF)


def spoilt(table: pl.DataFrame, column: str, value: object) -> pl.DataFrame:
    """The table with `value` in its second row."""
    second = pl.int_range(pl.len()) == 1
    return table.with_columns(pl.when(second).then(pl.lit(value, table.schema[column])).otherwise(column).alias(column))


def test_a_shop_that_is_fine(tables, events):
    check(tables, events)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_features_that_are_never_null(tables, events, value):
    tables["user_item"] = spoilt(tables["user_item"], "purchases", value)
    first = tables["user_item"].row(1, named=True)
    with pytest.raises(BadTrainingDataError, match="cut-off 1999-06-01 cannot be used") as error:
        check(tables, events)
    rows = len(tables["user_item"])
    assert f"features/user_item.purchases: 1 of {rows} values are null, NaN or infinite" in str(error.value)
    assert f"first of user_key={first['user_key']}, item_id={first['item_id']}" in str(error.value)
    assert "python -m spark_jobs --date 1999-06-01" in str(error.value)


def test_features_that_may_be_null_are_still_finite(tables, events):
    tables["user"] = spoilt(tables["user"], "gap_days", None)
    check(tables, events)
    tables["user"] = spoilt(tables["user"], "gap_days", float("-inf"))
    with pytest.raises(
        BadTrainingDataError, match=r"features/user\.gap_days: 1 of 12 values are NaN or infinite, first of user_key=u01"
    ):
        check(tables, events)


def test_scores_of_candidates_are_finite(tables, events):
    tables["candidates"] = spoilt(tables["candidates"], "popular_score", float("nan"))
    with pytest.raises(
        BadTrainingDataError, match=r"candidates/union\.popular_score: 1 of 360 .* first of user_key=u00, item_id=i01"
    ):
        check(tables, events)


@pytest.mark.parametrize(
    ("name", "dataset", "keys"),
    [
        ("user_item", "features/user_item", ("user_key", "item_id")),
        ("sequences", "features/sequences", ("user_key",)),
        ("items", "items", ("item_id",)),
        ("candidates", "candidates/union", ("user_key", "item_id")),
    ],
)
def test_keys_that_repeat(tables, events, name, dataset, keys):
    first = tables[name].head(1)
    tables[name] = pl.concat([tables[name], first])
    named = ", ".join(f"{key}={first[key][0]}" for key in keys)
    with pytest.raises(BadTrainingDataError, match=f"- {dataset}: 2 rows share their key with another, first {named}"):
        check(tables, events)


def test_keys_that_are_missing(tables, events):
    tables["candidates"] = spoilt(tables["candidates"], "item_id", None)
    with pytest.raises(BadTrainingDataError, match="candidates/union: 1 rows without user_key or item_id"):
        check(tables, events)


def test_items_that_the_catalogue_lacks(tables, events):
    tables["items"] = tables["items"].filter(~pl.col("item_id").is_in(["i03", "i17"]))
    with pytest.raises(BadTrainingDataError) as error:
        check(tables, events)
    assert "features/sequences: 2 items are not in `items`, first i03" in str(error.value)
    assert "candidates/union: 2 items are not in `items`, first i03" in str(error.value)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("candidates", "candidates/union"),
        ("user_item", "features/user_item"),
        ("user_subcategory", "features/user_subcategory"),
        ("user_category", "features/user_category"),
        ("user", "features/user"),
    ],
)
def test_users_without_a_history(tables, events, name, dataset):
    tables[name] = spoilt(tables[name], "user_key", "stranger")
    with pytest.raises(BadTrainingDataError, match=f"{dataset}: 1 users are not in `features/sequences`, first stranger"):
        check(tables, events)


def test_users_without_features(tables, events):
    tables["user"] = tables["user"].filter(~pl.col("user_key").is_in(["u03", "u07"]))
    with pytest.raises(BadTrainingDataError, match="features/sequences: 2 users are not in `features/user`, first u03"):
        check(tables, events)


@pytest.mark.parametrize("name", ["item", "user_item"])
def test_features_of_items_that_the_catalogue_lacks(tables, events, name):
    tables[name] = spoilt(tables[name], "item_id", "stranger")
    with pytest.raises(BadTrainingDataError, match=f"features/{name}: 1 items are not in `items`, first stranger"):
        check(tables, events)


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("item_ids: 1 users have no purchases", {name: pl.col(name).list.head(0) for name in LISTS}),
        ("item_ids: 1 users have no purchases", dict.fromkeys(LISTS)),
        ("item_ids: 1 users have lists of unequal lengths", {"item_ids": pl.col("item_ids").list.tail(-1)}),
        ("item_ids: 1 users have lists of unequal lengths", {"session_ids": pl.col("session_ids").list.tail(-1)}),
        *((f"{name}: 1 users have nulls in their lists", {name: pl.col(name).list.shift(1)}) for name in LISTS),
        ("event_ts: 1 users have times that go backwards", {"event_ts": pl.col("event_ts").list.reverse()}),
        ("event_ts: 1 users have times that go backwards", {name: pl.col(name).list.reverse() for name in LISTS}),
    ],
)
def test_histories_that_are_broken(tables, events, problem, changes):
    is_second = pl.col("user_key") == "u01"
    tables["sequences"] = tables["sequences"].with_columns(
        pl.when(is_second).then(change).otherwise(name).alias(name) for name, change in changes.items()
    )
    with pytest.raises(BadTrainingDataError, match=rf"features/sequences\.{problem}, first user_key=u01"):
        check(tables, events)


def test_visits_may_overlap_and_a_full_list_may_begin_in_the_middle_of_one(tables, events):
    def visits(first: list[int], second: list[int]) -> None:
        when = [datetime(1999, 5, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in first + second]
        history = {"user_key": "u00", "item_ids": ["i01"] * len(when), "event_ts": when,
                   "session_ids": ["a"] * len(first) + ["b"] * len(second)}  # fmt: skip
        tables["sequences"] = pl.concat([pl.DataFrame([history], tables["sequences"].schema), tables["sequences"].tail(-1)])

    visits([0, 60], [30, 90])
    check(tables, events)
    visits([50] * (MAX_HISTORY - 2), [30, 90])
    check(tables, events)
    visits([50], [30, 90])
    with pytest.raises(BadTrainingDataError, match="1 users have times that go backwards, first user_key=u00"):
        check(tables, events)


def test_purchases_after_the_cut_off(tables, events):
    later = pl.col("event_ts").list.eval(pl.element() + timedelta(days=8))
    tables["sequences"] = pl.concat([tables["sequences"].head(4), tables["sequences"].tail(-4).with_columns(later)])
    with pytest.raises(BadTrainingDataError, match="8 users have purchases after the cut-off, first user_key=u04"):
        check(tables, events)


def test_events_after_the_label_window(tables, events):
    def moved(days: int) -> pl.DataFrame:
        return pl.concat([events.tail(-2), events.head(2).with_columns(pl.col("event_ts") + timedelta(days=days))])

    check(tables, moved(-20))  # a late delivery
    check(tables, moved(22))  # the evening of the last day, where the shop is
    with pytest.raises(
        BadTrainingDataError, match="2 events lie after the label window 1999-06-02 to 1999-06-29, the last at 1999-07-01"
    ):
        check(tables, moved(23))


@pytest.mark.parametrize("change", [{"event_type": pl.lit("view")}, {"user_key": pl.lit("somebody else")}])
def test_nothing_bought_in_the_label_window(tables, events, change):
    with pytest.raises(
        BadTrainingDataError, match="no user with a history bought anything in the label window 1999-06-02 to 1999-06-29"
    ):
        check(tables, events.with_columns(**change))


def test_no_item_bought_often_enough(tables, events):
    most = int(tables["item"]["purchases"].max())
    check(tables, events, most)
    with pytest.raises(
        BadTrainingDataError, match=rf"no item was bought {most + 1} times, the most is {most}, .*MIN_ITEM_PURCHASES"
    ):
        check(tables, events, most + 1)


def test_all_problems_are_told_at_once(tables, events):
    tables["user"] = spoilt(tables["user"], "visits", float("nan"))
    tables["item"] = spoilt(tables["item"], "purchases", float("nan"))
    with pytest.raises(BadTrainingDataError) as error:
        check(tables, events.clear())
    assert str(error.value).count("\n- ") == 3


def test_examples():
    labels, weights = np.array([[1, 0], [0, 1], [0, 0]], np.float32), np.ones(3, np.float32)
    check_examples(labels, weights)
    with pytest.raises(BadTrainingDataError, match="labels of 1 of 3 examples are not finite, first in row 2"):
        check_examples(np.where(np.arange(6).reshape(3, 2) == 5, np.nan, labels), weights)
    with pytest.raises(BadTrainingDataError, match="weights of 2 of 3 examples are not finite, first in row 0"):
        check_examples(labels, np.array([np.inf, 1, np.nan]))
    with pytest.raises(BadTrainingDataError, match="none of the 2 examples was bought"):
        check_examples(labels[1:], weights[1:])
