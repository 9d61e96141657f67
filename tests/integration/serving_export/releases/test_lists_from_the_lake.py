"""Scoring and building lists, from the lake to the lake, on a made-up date."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from cartwheel import lake, user_batches
from cartwheel.contracts import LAKE_SCHEMAS, REASON_GROUPS
from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.lists.build_lists import build_lists
from serving_export.lists.explain import explain
from serving_export.lists.score import BadScoresError, score
from serving_export.releases.content import BadContentError, checksum, read_content

DAY = date(1999, 4, 1)
USER_KEYS = [f"key-{n}" for n in range(5)]
ITEMS = ["apple", "bread", "cheese"]
IN_ONE_PLACE = {"department": "FOOD", "subcategory": "food", "available": True}
WRITTEN = ("features/sequences", "features/user", "features/item", "features/user_item", "features/user_subcategory",
           "features/user_category",
           "items", "users", "candidates/union", "scores", "explanations", "release", "release_segments")  # fmt: skip


def table(dataset: str, rows: list[dict]) -> pa.Table:
    schema = LAKE_SCHEMAS[dataset]
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema)


class PopularityRanker:
    """Scores candidates by how often anyone bought them, and adds an item of its own."""

    def __init__(self, worst: float = 0.0) -> None:
        self.batches: list[int] = []
        self.worst = worst

    def score(self, *, candidates: pa.Table, item: pa.Table, user_item: pa.Table, **_: pa.Table) -> pa.Table:
        frame, bought = pl.DataFrame(candidates), pl.DataFrame(user_item)
        assert set(bought["user_key"]) <= set(frame["user_key"])
        self.batches.append(frame["user_key"].n_unique())
        scored = frame.join(pl.DataFrame(item), on="item_id").select(
            "user_key", "item_id", score="purchases", source=pl.lit("popular"), bought=pl.col("item_id") == "apple"
        )
        own = frame.select(pl.col("user_key").unique()).select(
            "user_key",
            item_id=pl.lit("cheese"),
            score=pl.lit(self.worst, pl.Float32),
            source=pl.lit("ranker"),
            bought=pl.lit(False),
        )
        return pl.concat([scored, own]).to_arrow()


class ExplainingRanker(PopularityRanker):
    """It says of every score that the apples did it."""

    def explain(self, pairs: pa.Table, **_: pa.Table) -> pa.Table:
        said = {name: float(name == "sequence") for name in REASON_GROUPS} | {"baseline": -1.0}
        said |= {"moved_by": ["apple"], "moved_by_effects": [1.0]}
        return pa.Table.from_pylist([row | said for row in pairs.to_pylist()])


@pytest.fixture
def made_up_lake(stores: LocalConfig) -> Iterator[None]:
    rows: dict[str, list[dict]] = {
        "items": [{"item_id": item, "title": item.title()} | IN_ONE_PLACE for item in ITEMS],
        "users": [{"user_key": key, "age_band": "25-34"} for key in ["cold", *USER_KEYS]],
        "features/item": [{"item_id": item, "purchases": n} for n, item in enumerate(ITEMS, 1)],
        "features/user_item": [
            {"user_key": key, "item_id": "apple", "purchases": 2, "recency_days": 3.5, "decayed_visits": 1, "purchases_28": 2}
            for key in USER_KEYS
        ],
        "candidates/union": [{"user_key": key, "item_id": item} for key in USER_KEYS for item in ITEMS[:2]],
        "features/sequences": [], "features/user": [], "features/user_subcategory": [], "features/user_category": [],
    }  # fmt: skip
    for dataset, content in rows.items():
        lake.write(dataset, DAY, table(dataset, content))
    yield
    for dataset in WRITTEN:
        lake.delete(dataset, DAY)


def test_from_candidates_to_content(made_up_lake: None) -> None:
    ranker = PopularityRanker()
    score(DAY, ranker, "7", users_per_batch=2)
    assert ranker.batches == [2, 2, 1]
    build_lists(DAY)
    release = pl.DataFrame(lake.read("release", DAY))
    assert lake.read("release", DAY).schema.equals(LAKE_SCHEMAS["release"])
    first = release.filter(user_key="key-0").select("list", "rank", "item_id", "reason").rows()
    assert first == [
        ("buy_again", 1, "apple", "Buy again: you bought it 2 times, last 3 days ago"),
        ("discover", 1, "bread", "Popular this month in Food"),
        ("discover", 2, "cheese", "Because you bought Apple"),
        ("for_you", 1, "bread", "Popular this month in Food"),
        ("for_you", 2, "apple", "Buy again: you bought it 2 times, last 3 days ago"),
        ("for_you", 3, "cheese", "Because you bought Apple"),
    ]
    keys = pl.DataFrame({"user_key": ["cold", *USER_KEYS], "user_id": ["id-cold"] + [f"id-{n}" for n in range(5)]})
    content = read_content(DAY, [keys])
    *users, rest = content
    assert [member for part in content for member in part.members.to_pylist()] == [{"user_id": "id-cold", "segment": "25-34|*"}]
    assert [row["user_id"] for part in users for row in part.lists.to_pylist()[::3]] == [f"id-{n}" for n in range(5)]
    assert [row["title"] for row in rest.titles.to_pylist()] == ["Apple", "Bread", "Cheese"]
    with pytest.raises(BadContentError, match="1 users the warehouse does not know"):
        list(read_content(DAY, [keys.filter(pl.col("user_key") != "key-3")]))

    before = checksum(content)
    score(DAY, PopularityRanker(), "7")
    build_lists(DAY)
    assert checksum(read_content(DAY, [keys])) == before


def test_reasons_follow_the_explanations_of_the_champion(made_up_lake: None) -> None:
    ranker = ExplainingRanker()
    score(DAY, ranker, "7")
    explain(DAY, ranker, users_per_batch=2)
    build_lists(DAY)
    explanations, release = (pl.DataFrame(lake.read(dataset, DAY)) for dataset in ("explanations", "release"))
    assert lake.read("explanations", DAY).schema.equals(LAKE_SCHEMAS["explanations"])
    assert explanations.select("user_key", "item_id").rows() == [(key, item) for key in USER_KEYS for item in ITEMS]
    assert dict(release.filter(list="for_you").select("item_id", "reason").iter_rows()) == {
        "apple": "Buy again: you bought it 2 times, last 3 days ago",
        "bread": "Because you bought Apple",
        "cheese": "Because you bought Apple",
    }


def test_lists_are_re_ranked_by_the_settings(made_up_lake: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    yesterday, tomorrow = DAY - timedelta(days=1), DAY + timedelta(days=1)
    shown = [{"user_key": key, "list": "for_you", "rank": 1, "item_id": "bread", "score": 1, "reason": "x"} for key in USER_KEYS]
    unseen = [row | {"item_id": "apple"} for row in shown]
    lake.write("release", yesterday, table("release", shown))
    lake.write("release", tomorrow, table("release", unseen))
    rules = tmp_path / "rules.yaml"
    rules.write_text("pinned: [{item: cheese, place: 1}]\nblocked: [{item: cheese, lists: [discover]}]")
    for name, value in (("repeats_weight", 1.0), ("repeats_days", 1), ("rules_file", str(rules))):
        monkeypatch.setattr(get_settings(), name, value)
    try:
        score(DAY, PopularityRanker(), "7")
        build_lists(DAY)
        release = pl.DataFrame(lake.read("release", DAY)).filter(user_key="key-0")
    finally:
        lake.delete("release", yesterday)
        lake.delete("release", tomorrow)
    assert release.filter(list="for_you").sort("rank")["item_id"].to_list() == ["cheese", "apple", "bread"]
    assert release.filter(list="discover")["item_id"].to_list() == ["bread"]


def test_a_champion_that_cannot_explain_itself_leaves_no_explanations(made_up_lake: None) -> None:
    ranker = ExplainingRanker()
    score(DAY, ranker, "7")
    explain(DAY, ranker)
    explain(DAY, PopularityRanker())
    assert not lake.exists("explanations", DAY)
    explain(DAY, ranker)
    score(DAY, ranker, "7")
    assert not lake.exists("explanations", DAY)


def test_scores_that_are_not_finite_are_refused(made_up_lake: None) -> None:
    with pytest.raises(BadScoresError, match="not finite"):
        score(DAY, PopularityRanker(worst=float("nan")), "7")
    assert not lake.exists("scores", DAY)


def test_users_come_in_order_with_all_their_rows_however_files_and_ranges_are_cut(
    made_up_lake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    keys = [f"{number:03}" for number in range(60)]
    scores = [{"user_key": key, "item_id": f"i{n}", "score": n} for key in keys for n in range(1, 4)]
    explanations = [{"user_key": key, "item_id": "i1"} for key in keys[::2]]
    monkeypatch.setattr(lake, "ROWS_PER_PART", 25)
    for dataset, rows in (("scores", scores), ("explanations", explanations)):
        chance.shuffle(rows)
        lake.write_batches(dataset, DAY, (table(dataset, rows[start : start + 10]) for start in range(0, len(rows), 10)))
    for rows_per_range in (1_000_000, 20):
        monkeypatch.setattr(user_batches, "ROWS_PER_RANGE", rows_per_range)
        found = list(user_batches.user_batches({"mine": "scores", "other": "explanations"}, DAY, "mine", users=7))
        assert [users["user_key"].to_list() for users, _ in found] == [keys[start : start + 7] for start in range(0, 60, 7)]
        for users, tables in found:
            own = users["user_key"].to_list()
            assert tables["mine"]["user_key"].to_list() == [key for key in own for _ in range(3)]
            assert tables["other"]["user_key"].to_list() == [key for key in own if key in keys[::2]]
