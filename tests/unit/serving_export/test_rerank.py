"""Lists from scores."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.rerank import make_lists

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "gone"],
        "category": ["tea", "tea", "tea", "soap", "soap"],
        "available": [True, None, True, True, False],
    }
)


def scores_of(**by_item: float) -> pl.DataFrame:
    bought = {"a", "b"}
    return pl.DataFrame(
        {
            "user_key": ["u"] * len(by_item),
            "item_id": list(by_item),
            "score": list(by_item.values()),
            "source": ["als"] * len(by_item),
            "bought": [item in bought for item in by_item],
        }
    )


def items_of(lists: pl.DataFrame, name: str) -> list[str]:
    return lists.filter(pl.col("list") == name).sort("rank")["item_id"].to_list()


def test_each_list_holds_its_items_best_first() -> None:
    lists = make_lists(scores_of(a=0.1, b=0.9, c=0.5, d=0.7), ITEMS, size=3)
    assert items_of(lists, "for_you") == ["b", "d", "c"]
    assert items_of(lists, "buy_again") == ["b", "a"]
    assert items_of(lists, "discover") == ["d", "c"]


def test_only_available_and_known_items_are_listed() -> None:
    lists = make_lists(scores_of(gone=0.9, unknown=0.8, c=0.1), ITEMS, size=5)
    assert items_of(lists, "for_you") == ["c"]


def test_ties_go_by_item_id() -> None:
    assert items_of(make_lists(scores_of(d=0.5, a=0.5, c=0.5), ITEMS, size=5), "for_you") == ["a", "c", "d"]


def test_diversity_lifts_another_category_but_not_in_buy_again() -> None:
    scores = scores_of(a=0.9, b=0.85, c=0.8, d=0.84)
    diverse = make_lists(scores, ITEMS, size=4, diversity_weight=0.9)
    assert items_of(make_lists(scores, ITEMS, size=4), "for_you") == ["a", "b", "d", "c"]
    assert items_of(diverse, "for_you") == ["a", "d", "b", "c"]
    assert items_of(diverse, "buy_again") == ["a", "b"]


@given(
    st.dictionaries(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd")), st.floats(-5, 5, width=32), min_size=1),
    st.floats(0, 1),
    st.integers(1, 4),
)
def test_ranks_run_from_one_without_gaps(scored: dict[tuple[str, str], float], weight: float, size: int) -> None:
    scores = pl.DataFrame(
        [{"user_key": u, "item_id": i, "score": s, "source": "als", "bought": i in "ab"} for (u, i), s in scored.items()]
    )
    lists = make_lists(scores, ITEMS, size, weight)
    for _, ranks in lists.group_by("user_key", "list").agg("rank").select(pl.struct("user_key", "list"), "rank").iter_rows():
        assert ranks == list(range(1, len(ranks) + 1))
        assert len(ranks) <= size
    assert lists.equals(make_lists(scores.reverse(), ITEMS, size, weight))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_score_shown_is_the_rankers(weight: float) -> None:
    lists = make_lists(scores_of(a=2.0, b=-1.0), ITEMS, 5, weight).filter(pl.col("list") == "for_you")
    assert dict(lists.select("item_id", "score").iter_rows()) == {"a": 2.0, "b": -1.0}
