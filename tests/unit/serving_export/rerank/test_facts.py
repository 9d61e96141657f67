"""What re-ranking knows, worked out by hand, and that none of it is of a later day."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving_export.rerank import Facts
from serving_export.rerank.effects import Effects, measures
from serving_export.rerank.facts import novelty, read_items, taste
from serving_export.rerank.repeats import read_shown, repeats, shown_first
from serving_export.rerank.vectors import item_vectors

DAY = date(2017, 12, 8)


def release(*items: str) -> pl.DataFrame:
    rows = [("u", "for_you", rank, item) for rank, item in enumerate(items, start=1)]
    return pl.DataFrame(rows, ["user_key", "list", "rank", "item_id"], orient="row")


def bought(**days_ago: float) -> pl.DataFrame:
    rows = [("u", item, ago) for item, ago in days_ago.items()]
    return pl.DataFrame(rows, {"user_key": pl.String, "item_id": pl.String, "recency_days": pl.Float32}, orient="row")


def test_novelty_is_self_information_over_its_most() -> None:
    item = pl.DataFrame({"item_id": ["a", "b", "c"], "purchases": [8.0, 7.0, 1.0]})
    assert dict(novelty(item).iter_rows()) == pytest.approx({"a": 1 / 4, "b": (4 - np.log2(7)) / 4, "c": 1.0})


def test_taste_is_the_share_of_purchases() -> None:
    frame = pl.DataFrame({"user_key": ["u", "u", "u"], "category": ["tea", "soap", None], "purchases": [1.0, 3.0, 6.0]})
    assert taste(frame).rows() == [("u", "tea", 0.25), ("u", "soap", 0.75)]


def test_repeats_are_counted_since_the_last_purchase() -> None:
    shown = pl.concat([shown_first(release("a", "b", "c"), ago) for ago in (1, 2, 3)])
    # a was never bought; b on the day of the release of two days ago; c today
    found = repeats(shown, 4, bought(b=2.7, c=0.1))
    assert found.select("item_id", "repeats").rows() == [("a", 0.75), ("b", 0.5)]


def test_only_the_first_ten_places_were_seen() -> None:
    shown = shown_first(release(*[f"i{n:02}" for n in range(1, 13)]), 1)
    assert shown["item_id"].to_list() == [f"i{n:02}" for n in range(1, 11)]


@settings(max_examples=30)
@given(st.sets(st.integers(-20, 20)), st.integers(1, 9))
def test_the_days_own_and_later_releases_are_not_read(days_ago: set[int], days: int) -> None:
    dates, read = sorted(DAY - timedelta(days=ago) for ago in days_ago), []

    def batches(dataset: str, day: date, columns: list[str]) -> Iterator[pa.Table]:
        read.append(day)
        yield release("a").to_arrow()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cartwheel.lake.complete_dates", lambda dataset: dates)
        patch.setattr("cartwheel.lake.batches", batches)
        shown = read_shown(DAY, days)
    assert read == [day for day in dates if DAY - timedelta(days=days) <= day < DAY]
    assert shown["ago"].to_list() == [(DAY - day).days for day in read]


def test_vectors_are_made_some_rows_at_a_time_of_a_sample_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 users, the 30 with the lowest keys: the vectors are those of their purchases, however tables are cut."""
    chance = np.random.default_rng(5)
    keys, ids = [f"u{user:02}" for user in range(40)], [f"{item:02}" for item in range(12)]
    pairs = pl.DataFrame(
        [(key, item) for key in keys for item in ids if chance.random() < 0.4], ["user_key", "item_id"], orient="row"
    )
    mixed, tables = pairs.sample(fraction=1, shuffle=True, seed=1), {}
    tables["features/user"] = [part.to_arrow() for part in pl.DataFrame({"user_key": keys[::-1]}).iter_slices(7)]
    tables["features/user_item"] = [part.to_arrow() for part in mixed.iter_slices(50)]
    item = pa.table({"item_id": [*ids, "unsold"], "purchases": [1.0] * 13})

    def read(dataset: str, day: date, columns: list[str]) -> pa.Table:
        assert dataset == "features/item", f"{dataset} is read whole"
        return item

    monkeypatch.setattr("cartwheel.lake.read", read)
    monkeypatch.setattr("cartwheel.lake.batches", lambda dataset, day, columns: iter(as_in_the_lake(tables[dataset])))
    monkeypatch.setattr("serving_export.rerank.facts.USERS", 30, raising=False)
    facts = read_items(DAY, with_vectors=True)
    known, vectors = item_vectors(pairs.filter(pl.col("user_key") < "u30"))
    assert known.to_list() == ids and np.array_equal(facts.vectors, vectors)
    assert dict(facts.items.select("item_id", "vector").iter_rows()) == {
        **{item: n for n, item in enumerate(ids, 1)},
        "unsold": 0,
    }


def as_in_the_lake(tables: list[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        yield table.cast(pa.schema(dict.fromkeys(table.column_names, pa.string())))


def test_items_of_the_same_buyers_are_near_one_another() -> None:
    rng = np.random.default_rng(5)
    pairs = [
        (f"u{user:02}", f"{item:02}")
        for user in range(60)
        for item in range(20)
        if rng.random() < (0.6 if item % 2 == user % 2 else 0.1)
    ]
    items, vectors = item_vectors(pl.DataFrame(pairs, ["user_key", "item_id"], orient="row"))
    assert items.to_list() == [f"{item:02}" for item in range(20)]
    assert np.allclose(np.linalg.norm(vectors[1:], axis=1), 1, atol=1e-5)
    cosine = vectors[1:] @ vectors[1:].T
    even, odd = np.arange(0, 20, 2), np.arange(1, 20, 2)
    assert cosine[np.ix_(even, even)].mean() > 0.2 > -0.1 > cosine[np.ix_(even, odd)].mean()
    again = item_vectors(pl.DataFrame(pairs[::-1], ["user_key", "item_id"], orient="row"))[1]
    assert np.array_equal(again, vectors)


def test_too_few_items_have_no_vectors() -> None:
    items, vectors = item_vectors(pl.DataFrame({"user_key": ["u"], "item_id": ["a"]}))
    assert (items.to_list(), vectors.shape, vectors.any()) == (["a"], (2, 1), False)


ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["tea", "tea", "soap"]})
FACTS = Facts(
    items=pl.DataFrame({"item_id": ["a", "b", "c"], "novelty": [0.2, 0.4, 0.9], "vector": [1, 2, 3]}),
    taste=pl.DataFrame({"user_key": ["u", "u"], "category": ["tea", "soap"], "share": [0.5, 0.5]}),
    vectors=np.array([[0, 0], [1, 0], [0, 1], [1, 0]], np.float32),
)


def test_measures_of_a_list_by_hand() -> None:
    (row,) = measures(release("a", "b", "c"), FACTS, ITEMS, 10).iter_rows(named=True)
    assert row["novelty"] == pytest.approx(0.5)
    assert row["diversity"] == pytest.approx(1 - (0.5 + 0.5 + 0) / 3)  # a and b: category; a and c: vector; b and c: neither
    mix = [0.99 * 2 / 3 + 0.005, 0.99 / 3 + 0.005]
    assert row["divergence"] == pytest.approx(0.5 * np.log(0.5 / mix[0]) + 0.5 * np.log(0.5 / mix[1]))


def test_effects_are_told_before_and_after() -> None:
    effects = Effects(ITEMS, 10)
    effects.add(release("a", "c"), release("a", "b"), FACTS)
    effect = effects.figures()["for_you"]
    assert (effect["places_changed"], effect["diversity_before"], effect["diversity"]) == (0.5, 0.5, 0.5)
    assert (effect["novelty_before"], effect["novelty"]) == (0.3, 0.55)
    effects.add(release("a", "b"), release("a", "b"), FACTS)
    assert effects.figures()["for_you"]["places_changed"] == 0.25
