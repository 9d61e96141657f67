"""Lists from scores: what they hold, and what weights and rules may not change."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_export.rerank import Facts, Rules, Weights, make_lists
from serving_export.rerank.reranker import instead_of_for_you
from serving_export.rerank.rules import PINNED

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "e", "f", "gone"],
        "category": ["tea", "tea", "tea", "soap", "soap", None, "soap"],
        "available": [True, None, True, True, True, True, False],
    }
)
KNOWN = ["a", "b", "c", "d", "e", "f"]
VECTORS = np.vstack([np.zeros((1, 2)), np.eye(2)[[0, 0, 1, 1, 0, 1]]]).astype(np.float32)
FACTS = Facts(
    items=pl.DataFrame({"item_id": KNOWN, "novelty": [0.1, 0.9, 0.3, 0.4, 1.0, 0.0], "vector": [1, 2, 3, 4, 5, 6]}),
    taste=pl.DataFrame({"user_key": ["u", "u", "v"], "category": ["tea", "soap", "soap"], "share": [0.25, 0.75, 1.0]}).cast(
        {"share": pl.Float32}
    ),
    repeats=pl.DataFrame({"user_key": ["u"], "list": ["for_you"], "item_id": ["b"], "repeats": [1.0]}),
    vectors=VECTORS,
)


def scores_of(**by_item: float) -> pl.DataFrame:
    return frame({("u", item): score for item, score in by_item.items()})


def frame(scored: dict[tuple[str, str], float]) -> pl.DataFrame:
    rows = [(user, item, score, "als", item in "ab") for (user, item), score in scored.items()]
    schema = {"user_key": pl.String, "item_id": pl.String, "score": pl.Float32, "source": pl.String, "bought": pl.Boolean}
    return pl.DataFrame(rows, schema, orient="row")


def items_of(lists: pl.DataFrame, name: str, user: str = "u") -> list[str]:
    return lists.filter(list=name, user_key=user).sort("rank")["item_id"].to_list()


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


def test_without_scores_there_are_no_lists() -> None:
    assert make_lists(frame({}), ITEMS, size=5).is_empty()


def test_diversity_lifts_another_category_but_not_in_buy_again() -> None:
    scores = scores_of(a=0.9, b=0.85, c=0.8, d=0.7)
    diverse = make_lists(scores, ITEMS, 4, Weights(diversity=2.0), FACTS)
    # of the rest, c and d are as unlike a by their vectors, and d is no tea; then b is like a (1), c like d and a (½)
    assert items_of(diverse, "for_you") == ["a", "d", "c", "b"]
    assert items_of(diverse, "buy_again") == ["a", "b"]


def test_repeats_step_back_in_the_list_that_showed_them() -> None:
    lists = make_lists(scores_of(a=0.1, b=0.9, c=0.8), ITEMS, 3, Weights(repeats=0.5), FACTS)
    assert items_of(lists, "for_you") == ["c", "b", "a"]  # relevance 7/8, 1 - 1/2, 0
    assert items_of(lists, "buy_again") == ["b", "a"]


def test_novelty_lifts_what_few_know() -> None:
    lists = make_lists(scores_of(a=1.0, b=0.5, c=0.0), ITEMS, 3, Weights(novelty=1.0), FACTS)
    assert items_of(lists, "for_you") == ["b", "a", "c"]  # 0.5 + 0.9, 1 + 0.1, 0 + 0.3


def test_calibration_follows_the_users_own_mix() -> None:
    scores = scores_of(a=1.0, b=0.9, c=0.8, d=0.2, e=0.1, f=0.0)
    lists = make_lists(scores, ITEMS, 4, Weights(calibration=10.0), FACTS)
    assert items_of(lists, "for_you") == ["d", "a", "e", "b"]  # three quarters soap, and only two soaps are there


def test_the_kept_places_are_the_rankers() -> None:
    scores = scores_of(a=0.9, b=0.85, c=0.8, d=0.7, e=0.1)
    lists = make_lists(scores, ITEMS, 5, Weights(diversity=5.0, kept_places=2), FACTS)
    assert items_of(lists, "for_you") == ["a", "b", "d", "c", "e"]


def test_the_score_shown_is_the_rankers() -> None:
    lists = make_lists(scores_of(a=2.0, b=-1.0), ITEMS, 5, Weights(diversity=0.5), FACTS).filter(list="for_you")
    assert dict(lists.select("item_id", "score").iter_rows()) == {"a": 2.0, "b": -1.0}


def test_a_block_of_users_is_as_good_as_all(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = frame({(f"u{n}", item): (n * 7 + place * 3) % 11 for n in range(9) for place, item in enumerate(KNOWN)})
    whole = make_lists(scores, ITEMS, 4, Weights(diversity=0.3), FACTS)
    monkeypatch.setattr("serving_export.rerank.lists.USERS_PER_BLOCK", 2)
    assert make_lists(scores, ITEMS, 4, Weights(diversity=0.3), FACTS).equals(whole)


scored = st.dictionaries(
    st.tuples(st.sampled_from("uvw"), st.sampled_from([*KNOWN, "gone"])), st.floats(-5, 5, width=32), min_size=1
)
share = st.floats(0, 3)
weights = st.builds(Weights, share, share, share, share, st.integers(0, 3))
names = st.sampled_from(["for_you", "buy_again", "discover"])
blocks = st.lists(st.tuples(names, st.sampled_from(["c", "d"]), st.just("all")), max_size=3)
pins = st.dictionaries(
    st.tuples(st.sampled_from(["for_you", "discover"]), st.integers(1, 3)), st.sampled_from(["e", "f"]), max_size=2
)
caps = st.lists(st.tuples(names, st.sampled_from(["tea", "soap", None]), st.integers(0, 3)), max_size=3)


def rules_of(pins: dict[tuple[str, int], str], blocks: list[tuple], caps: list[tuple]) -> Rules:
    empty = Rules()
    once = {(name, item): (name, place, item, "all") for (name, place), item in pins.items()}
    return replace(
        empty,
        pins=pl.DataFrame(list(once.values()), empty.pins.schema, orient="row"),
        blocks=pl.DataFrame(blocks, empty.blocks.schema, orient="row"),
        caps=pl.DataFrame(caps, empty.caps.schema, orient="row"),
    )


@settings(max_examples=20)
@given(scored, weights, st.integers(1, 5))
def test_weights_change_the_order_alone(scored: dict, weights: Weights, size: int) -> None:
    scores = frame(scored)
    lists, own = make_lists(scores, ITEMS, size, weights, FACTS), make_lists(scores, ITEMS, size)
    sizes = [of.group_by("user_key", "list").len().sort("user_key", "list") for of in (lists, own)]
    assert sizes[0].equals(sizes[1])
    assert not lists.select("user_key", "list", "item_id").is_duplicated().any()
    for _, ranks in lists.group_by("user_key", "list").agg("rank").select(pl.struct("user_key", "list"), "rank").iter_rows():
        assert ranks == list(range(1, len(ranks) + 1))
    assert lists.equals(make_lists(scores.reverse(), ITEMS, size, weights, FACTS))
    assert lists.filter(list="buy_again").equals(own.filter(list="buy_again"))


@settings(max_examples=20)
@given(scored, st.integers(1, 5))
def test_without_weights_the_order_is_by_score(scored: dict, size: int) -> None:
    lists = make_lists(frame(scored), ITEMS, size, Weights(), FACTS)
    for user in "uvw":
        best = sorted((-score, item) for (of, item), score in scored.items() if of == user and item != "gone")
        assert items_of(lists, "for_you", user) == [item for _, item in best[:size]]


@settings(max_examples=20)
@given(scored, weights, st.integers(1, 5), st.sampled_from([0.25, 2.0, 1024.0]))  # exact in binary: no rounding makes ties
def test_the_scale_of_the_scores_does_not_matter(scored: dict, weights: Weights, size: int, scale: float) -> None:
    kept = {pair: round(score * 8) / 8 for pair, score in scored.items()}
    lists, scaled = (
        make_lists(frame({pair: score * by for pair, score in kept.items()}), ITEMS, size, weights, FACTS) for by in (1.0, scale)
    )
    assert scaled.drop("score").equals(lists.drop("score"))


@settings(max_examples=20)
@given(scored, weights, st.integers(3, 7), pins, blocks, caps)
def test_rules_hold_whatever_the_weights(scored: dict, weights: Weights, size: int, pins: dict, blocks: list, caps: list) -> None:
    rules = rules_of(pins, blocks, caps)
    lists = make_lists(frame(scored), ITEMS, size, weights, FACTS, rules)
    for user in {user for user, _ in scored}:
        for name in ("for_you", "buy_again", "discover"):
            listed = items_of(lists, name, user)
            assert not {item for of, item, _ in blocks if of == name} & set(listed)
            pinned = {item: place for of, place, item, _ in rules.pins.iter_rows() if of == name}
            for item, place in pinned.items():  # both are new to everyone, so they belong in both lists
                assert item in listed
                assert listed.index(item) + 1 == place or len(listed) < place or len(pinned) == len(listed)
            for of, category, most in caps:
                if of == name and pinned.keys().isdisjoint(KNOWN if category is None else ["e"]):
                    kinds = ITEMS.filter(pl.col("item_id").is_in(listed))["category"].drop_nulls()
                    counts = kinds.value_counts() if category is None else kinds.filter(kinds == category).value_counts()
                    named = {kind for other, kind, _ in caps if other == name and kind is not None}
                    free = counts.filter(~pl.col("category").is_in(list(named))) if category is None else counts
                    assert (free["count"] <= most).all()


def test_a_pinned_item_without_a_score_is_marked() -> None:
    rules = rules_of({("for_you", 1): "e"}, [], [])
    lists = make_lists(scores_of(a=0.9, c=0.5), ITEMS, 3, rules=rules)
    assert lists.filter(list="for_you").select("item_id", "score", "source").rows() == [
        ("e", 0.0, PINNED), ("a", pytest.approx(0.9), "als"), ("c", 0.5, "als"),
    ]  # fmt: skip
    assert items_of(lists, "discover") == ["c"]


def test_another_list_in_the_place_of_for_you() -> None:
    scores = frame({("u", "a"): 0.9, ("u", "c"): 0.5, ("u", "d"): 0.7, ("v", "b"): 0.4})
    lists = make_lists(scores, ITEMS, 3)
    shown = instead_of_for_you(lists, "discover")
    assert items_of(shown, "for_you") == items_of(shown, "discover") == ["d", "c"]
    assert items_of(shown, "for_you", "v") == ["b"], "who has no such list keeps for_you"
    rest = pl.col("list") != "for_you"
    assert shown.filter(rest).equals(lists.filter(rest))
    assert instead_of_for_you(lists, "for_you").equals(lists)
