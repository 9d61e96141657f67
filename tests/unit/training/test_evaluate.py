"""How a release is measured against what was bought after it."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from training import evaluate, metrics

DAY = date(2017, 11, 30)
OWN = pl.DataFrame({"user_key": ["a", "a", "b"], "item_id": ["bread", "milk", "bread"]})


def scores(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_key", "item_id", "score"], orient="row")


def bought(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Purchases by user, item and days after the end of the date."""
    end = datetime(2017, 12, 1, tzinfo=UTC)
    table = [(user, item, end + timedelta(days=days)) for user, item, days in rows]
    return pl.DataFrame(table, schema=["user_key", "item_id", "event_ts"], orient="row")


def test_the_auc_looks_at_the_week_after_and_at_users_who_bought_nothing():
    scored = scores(("a", "bread", 0.9), ("a", "milk", 0.2), ("a", "tea", 0.5), ("b", "bread", 0.6))
    # Of the four, bread of `a` (0.9) and tea (0.5) are bought within the week, milk on the eighth day.
    estimate = evaluate.week_auc(DAY, scored, OWN, bought(("a", "bread", 0), ("a", "tea", 6), ("a", "milk", 7)))
    # Pairs of bought and not: 0.9 beats 0.2 and 0.6; 0.5 beats 0.2 and loses to 0.6.
    assert estimate.value == pytest.approx(3 / 4)


def test_the_auc_takes_the_first_new_candidates_and_all_own_items(monkeypatch):
    monkeypatch.setattr(evaluate, "AUC_NEW_CANDIDATES", 1)
    scored = scores(("a", "bread", 0.9), ("a", "milk", 0.1), ("a", "tea", 0.5), ("a", "salt", 0.4))
    # The first new candidate, tea, lies below bread and above milk; salt, bought, is the second and does not count.
    estimate = evaluate.week_auc(DAY, scored, OWN, bought(("a", "bread", 1), ("a", "salt", 1)))
    assert estimate.value == 1.0
    assert evaluate.week_auc(DAY, scored, OWN, bought(("a", "milk", 1), ("a", "salt", 1))).value == 0.0


def test_own_items_that_no_source_names_join_the_candidates():
    candidates = pl.DataFrame({"user_key": ["a", "a"], "item_id": ["bread", "tea"], "als_rank": [2, 1]})
    together = evaluate.with_all_own({"user_item": OWN, "candidates": candidates})["candidates"]
    assert together.rows() == [("a", "bread", 2), ("a", "milk", None), ("a", "tea", 1), ("b", "bread", None)]


def test_the_lead_over_a_rule_is_paired():
    def ranked(**lists: list[str]) -> pl.DataFrame:
        rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, start=1)]
        return pl.DataFrame(rows, schema=["user_key", "item_id", "rank"], orient="row")

    users = {f"u{number}": ["bread"] if number % 2 else ["salt", "tea"] for number in range(40)}
    item = pl.DataFrame({"item_id": ["bread", "salt", "tea", "milk"], "purchases": 9})
    truth = metrics.truth(bought(*((user, items[-1], 0) for user, items in users.items())), item)
    lists = {"release": ranked(**users), "popularity": ranked(**{user: ["milk", *items] for user, items in users.items()})}
    lead = evaluate.measure(lists, truth)["popularity"][evaluate.LEAD]
    own, other = (evaluate.measure(lists, truth)[name]["ndcg_at_10"] for name in lists)
    assert lead.value == pytest.approx(own.value - other.value)
    assert lead.low > 0 and lead.high - lead.low < own.high - own.low, "users differ more than their differences do"
