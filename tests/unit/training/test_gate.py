"""The gate lets only better models through."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import training_shop

from training import gate, guardrails, metrics
from training.model import Ranker

USERS, ITEMS = 300, 40


def truth() -> metrics.Truth:
    draw = np.random.default_rng(1)
    rows = [(f"u{user:03}", f"i{item:02}") for user in range(USERS) for item in draw.choice(20, 5, replace=False)]
    item = pl.DataFrame({"item_id": [f"i{n:02}" for n in range(ITEMS)], "purchases": 9.0})
    return metrics.truth(pl.DataFrame(rows, schema=["user_key", "item_id"], orient="row"), item)


def lists(first: int, seed: int) -> pl.DataFrame:
    """Ten items for everybody, drawn from those from `first` on: the larger, the worse."""
    draw = np.random.default_rng(seed)
    rows = [
        (f"u{user:03}", f"i{item:02}", rank)
        for user in range(USERS)
        for rank, item in enumerate(draw.choice(np.arange(first, first + 20), 10, replace=False), 1)
    ]
    return pl.DataFrame(rows, schema=["user_key", "item_id", "rank"], orient="row")


def test_a_better_challenger_is_promoted():
    comparisons = gate.compare("all", lists(0, 1), {"champion": lists(15, 2)}, truth())
    assert gate.decide(comparisons, []) == (True, "better than every rival")
    assert comparisons[0].difference.low > 0


def test_a_worse_challenger_is_refused_and_the_reason_names_the_rival():
    rivals = {"popularity": lists(20, 3), "champion": lists(0, 2)}
    promoted, reason = gate.decide(gate.compare("all", lists(15, 1), rivals, truth()), [])
    assert not promoted
    assert reason.startswith("worse, all items: ") and "champion" in reason and "popularity" not in reason


def test_an_equal_challenger_is_refused_and_the_reason_says_so():
    same = lists(0, 1)
    comparisons = gate.compare("all", same, {"champion": same, "popularity": lists(15, 2)}, truth())
    promoted, reason = gate.decide(comparisons, [])
    assert not promoted
    assert comparisons[0].difference == metrics.Estimate(0.0, 0.0, 0.0)
    ndcg = f"{comparisons[0].challenger:.4f}"
    assert reason == f"not proven better, all items: {ndcg} against champion {ndcg}, difference [+0.0000, +0.0000]"


def test_the_first_model_of_a_shop_must_only_be_no_worse():
    same = lists(0, 1)
    even = gate.compare("all", same, {"popularity": same, "als": lists(15, 2)}, truth())
    assert gate.decide(even, [], is_first=True) == (True, "the first, no worse than any rule")
    worse = gate.compare("all", lists(15, 1), {"popularity": same, "als": lists(15, 2)}, truth())
    promoted, reason = gate.decide(worse, [], is_first=True)
    assert not promoted
    assert "popularity" in reason and "als" not in reason


def test_a_broken_guardrail_refuses_the_best_of_challengers():
    better = gate.compare("all", lists(0, 1), {"champion": lists(15, 2)}, truth())
    kept, broken = (guardrails.Coverage("all", "champion", share, 0.5, 0.8) for share in (0.4, 0.3))
    assert gate.decide(better, [kept])[0]
    assert gate.decide(better, [kept, broken]) == (False, f"guardrail, {broken}")


def test_a_comparison_of_few_users_is_not_won_and_the_reason_counts_them():
    def compared(users: int) -> list[gate.Comparison]:
        everybody = truth()
        few = metrics.Truth(everybody.pairs.filter(pl.col("user_key") < f"u{users:03}"), everybody.catalogue)
        bought = few.pairs.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_key"))
        rival = bought.with_columns(pl.col("rank") + 1)  # everybody gains one place
        return gate.compare("all", bought, {"champion": rival}, few)

    for users in (1, 3, 29):
        comparisons = compared(users)
        assert comparisons[0].difference.low > 0
        promoted, reason = gate.decide(comparisons, [])
        assert not promoted
        assert reason == f"too few users, {users} of at least 30, {comparisons[0]}"
        assert gate.decide(comparisons, [], is_first=True)[0], "a small shop's first model"
    assert gate.decide(compared(30), [])[0]


def test_the_catalogue_is_that_of_the_less_strict_version():
    strict, other = Ranker(), Ranker()
    strict.config, other.config = {"min_item_purchases": 10}, {"min_item_purchases": 5}
    assert gate.fewest_purchases(strict, other) == 5
    assert gate.fewest_purchases(strict, None) == 10


def test_nothing_to_compare_by_is_a_refusal():
    assert gate.decide([], []) == (False, "the gate's window holds no purchases to compare by")


class TestJudge:
    """On the tiny shop, whose users bought ten items each of thirty and buy one more of their own next."""

    CUTOFF = date(1999, 6, 1)

    @pytest.fixture
    def tables(self) -> dict[str, pl.DataFrame]:
        return training_shop.tables(self.CUTOFF, users=36)

    def judge(
        self,
        tables: dict[str, pl.DataFrame],
        challenger: pl.Expr,
        champion: pl.Expr | None,
        purchases: pl.DataFrame,
        min_item_purchases: int = 1,
    ) -> gate.Verdict:
        pairs = tables["candidates"].select("user_key", "item_id")
        own = tables["user_item"].select("user_key", "item_id", bought=pl.lit(True))
        rows = pairs.join(own, on=["user_key", "item_id"], how="left").with_columns(pl.col("bought").fill_null(False))
        scored = [None if score is None else rows.with_columns(score=score) for score in (challenger, champion)]
        als = pairs.join(own, on=["user_key", "item_id"], how="anti").with_columns(
            rank=pl.int_range(1, pl.len() + 1).over("user_key"), score=pl.lit(0.5)
        )
        return gate.judge(scored[0], scored[1], tables, als, purchases, min_item_purchases)

    def test_a_window_without_purchases(self, tables):
        nothing = training_shop.labels(self.CUTOFF).clear()
        verdict = self.judge(tables, pl.lit(0.5), None, nothing)
        assert not verdict.promoted
        assert verdict.reason == "the gate's window holds no purchases to compare by"
        assert verdict.figures == ()

    def test_a_window_in_which_nobody_tried_anything_new(self, tables):
        again = tables["user_item"].select("user_key", "item_id")
        verdict = self.judge(tables, pl.col("bought").cast(pl.Float64), None, again)
        assert verdict.promoted
        assert {each.view for each in verdict.comparisons} == {"all"} and [each.view for each in verdict.figures] == ["all"]
        assert verdict.figures[0].ndcg == metrics.Estimate(1.0, 1.0, 1.0)

    def test_rules_list_only_what_may_be_hit(self, tables):
        """All buy i29 again; the rules' other favourites were bought too seldom and make room for it."""
        often = pl.when(pl.col("item_id") == "i29").then(9.0).otherwise(8.0)
        tables["item"] = tables["item"].with_columns(purchases=often)
        own = tables["user_item"].filter(pl.col("item_id") != "i29")
        also = own.unique("user_key", maintain_order=True).with_columns(item_id=pl.lit("i29"), decayed_days=0.0)
        tables["user_item"] = pl.concat([own, also.with_columns(decayed_visits=pl.lit(0.0).cast(pl.Float32)).cast(own.schema)])
        everybody = tables["user"].select("user_key", item_id=pl.lit("i29"))
        verdict = self.judge(tables, pl.lit(0.5), None, everybody, min_item_purchases=9)
        others = {each.rival: each.other for each in verdict.comparisons if each.view == "all"}
        assert others == {"popularity": 1.0, "buy_again_recency": 1.0, "buy_again_visits": 1.0, "als": 0.0}

    def test_the_places_of_what_is_left_out_of_als_are_taken(self, tables):
        als = pl.DataFrame(
            {"user_key": ["u", "u", "u"], "item_id": ["i02", "i00", "i01"], "rank": [3, 1, 2], "score": [1.0, 3.0, 2.0]}
        )
        tables["item"] = tables["item"].with_columns(purchases=pl.when(pl.col("item_id") == "i01").then(1.0).otherwise(9.0))
        _, kept = gate.in_catalogue(tables, als, 5)
        assert kept.select("item_id", "rank").rows() == [("i02", 2), ("i00", 1)]

    def test_a_challenger_that_shows_everybody_the_same_is_refused_though_it_ranks_better(self, tables):
        """All buy i09: the challenger puts it first and goes on with i00 to i08 for all; the champion shows each their own."""
        everybody = tables["user"].select("user_key", item_id=pl.lit("i09"))
        known = {name: (tables | {"user_item": tables["user_item"].filter(pl.col("item_id") != "i09")})[name] for name in tables}
        number = pl.col("item_id").str.slice(1).cast(pl.Float64)
        champion = pl.col("bought").cast(pl.Float64) + pl.when(number == 9).then(0.5).otherwise(0.0)
        verdict = self.judge(known, pl.when(number == 9).then(1.0).otherwise(-number), champion, everybody)
        against_champion = next(each for each in verdict.comparisons if each.rival == "champion")
        assert against_champion.won
        assert not verdict.promoted
        assert "guardrail, coverage, all items: 0.3333 against champion" in verdict.reason
