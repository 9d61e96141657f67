"""What `check-shop` counts and says, and the three commands."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartwheel.cli import app
from cartwheel.shop.check_shop import check_folder
from cartwheel.shop.mapping import parse_mapping
from cartwheel.shop.results import ShopCheck

SAMPLES = Path(__file__).parent / "samples"
EVENTS = """
sources:
  events:
    dataset: interactions
    files: "events*.csv"
    fields: {event_id: id, event_type: what, user_id: who, item_id: item, event_ts: when}
  goods:
    dataset: items
    files: "goods/{date}.csv"
    fields: {item_id: item, price: price}
"""


def check(folder: Path, **files: str) -> ShopCheck:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_", "-")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return check_folder(folder, parse_mapping(EVENTS, "shop.yaml"))


def counts(result: ShopCheck) -> dict[str, tuple[int, ...]]:
    return {c.file: (c.rows_read, c.accepted, c.rejected, c.duplicates, c.filtered) for c in result.files}


def test_an_event_counts_once_over_all_files_and_an_item_once_a_date(tmp_path: Path):
    result = check(
        tmp_path,
        events1_csv="id,what,who,item,when\n1,view,a,x,2017-12-02\n1,view,a,x,2017-12-02\n2,buy,a,x,2017-12-02\n3,view,,x,2017-12-02\n",
        events2_csv="id,what,who,item,when\n1,view,a,x,2017-12-01\n4,purchase,b,y,2017-12-01\n",
        goods__2017_12_01_csv="item,price\nx,1\nx,2\ny,-1\n",
        goods__2017_12_02_csv="item,price\nx,1\n",
    )
    assert counts(result) == {
        # Event 1 belongs to the file with the lower date; "buy" is no event type; the last has no user.
        "events1.csv": (4, 0, 2, 2, 0),
        "events2.csv": (2, 2, 0, 0, 0),
        "goods/2017-12-01.csv": (3, 1, 1, 1, 0),
        "goods/2017-12-02.csv": (1, 1, 0, 0, 0),
    }
    reasons = {(reason.source, reason.reason): reason.examples for reason in result.reasons}
    assert reasons[("events", "unknown_value: event_type")] == [
        {"file": "events1.csv", "line": 4, "original": "2,buy,a,x,2017-12-02"}
    ]
    assert set(reasons) == {
        ("events", "unknown_value: event_type"), ("events", "missing: user_id"), ("goods", "too_small: price"),
    }  # fmt: skip
    assert "events1.csv: 2 of 4 rows rejected by source events, allowed is a share of 0.05" in result.failures
    assert (result.users, result.items, result.catalogue_items) == (2, 2, 1)
    assert any("have an id that an earlier row had" in warning for warning in result.warnings)


def test_files_that_cannot_be_read_or_lack_columns_fail_by_name(tmp_path: Path):
    (tmp_path / "events9.csv").write_bytes(b"\xff\xfe\x00garbage")
    result = check(tmp_path, events1_csv="id,what,who\n1,view,a\n", other_csv="a,b\n1,2\n")
    first = next(failure for failure in result.failures if failure.startswith("events1.csv"))
    assert "lacks the column" in first and "item" in first and "it has id, what, who" in first
    assert any(failure.startswith("events9.csv: ") for failure in result.failures)
    assert result.unread == ["other.csv"]
    assert "no event was accepted" in result.failures


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        ("1,view,a,x,2017-12-01 10:00:00\n2,view,a,x,2017-12-02 10:00:00\n", "no purchases: features, candidates and the ranker"),
        ("1,purchase,a,x,2017-12-01 10:00:00\n", "no item has 5 purchases"),
        ("1,purchase,a,x,2017-12-01 10:00:00\n", "events of one date only"),
        ("1,purchase,a,x,2017-12-01\n", "nearly all events are at midnight UTC"),
        ("1,purchase,a,x,1970-01-18 10:00:00\n", "is the time read in the right format?"),
        ("1,purchase,a,x,2017-12-01 10:00:00\n", "no user attributes"),
        ("1,purchase,a,x,2017-12-01 10:00:00\n", "no catalogue"),
        (
            "".join(f"{i},view,a,x,2017-12-0{1 + i // 10} 10:00:00\n" for i in range(21)),
            "the latest date, 2017-12-03, has 1 events",
        ),
    ],
)
def test_what_will_not_work_is_said(tmp_path: Path, rows: str, warning: str):
    result = check(tmp_path, events1_csv="id,what,who,item,when\n" + rows)
    assert any(warning in text for text in result.warnings)
    assert result.failures == []


def test_events_of_unlisted_items_are_a_share(tmp_path: Path):
    rows = "".join(f"{i},purchase,a,{'x' if i else 'z'},2017-12-01 10:00:00\n" for i in range(4))
    result = check(tmp_path, events1_csv="id,what,who,item,when\n" + rows, goods__2017_12_02_csv="item,price\nx,1\n")
    assert result.share_in_catalogue == 0.75
    assert "only 75% of the events are of items in the catalogue: are the ids written alike?" in result.warnings
    assert any("the catalogue is known from 2017-12-02 on, but events begin 2017-12-01" in text for text in result.warnings)


def test_the_commands(tmp_path: Path):
    runner, out = CliRunner(), tmp_path / "shop.yaml"
    folder = str(SAMPLES / "retailrocket")
    first = runner.invoke(app, ["init-shop", folder, "--out", str(out)])
    assert first.exit_code == 0 and "with 2 doubts." in " ".join(first.output.split())
    assert runner.invoke(app, ["init-shop", folder, "--out", str(out)]).exit_code == 2  # it is there already
    told = runner.invoke(app, ["check-shop", folder, "--shop", str(out)])
    assert told.exit_code == 0 and "Nothing here would fail the gate." in " ".join(told.output.split())
    for_machines = runner.invoke(app, ["check-shop", folder, "--shop", str(out), "--json"])
    assert json.loads(for_machines.stdout)["events_by_type"] == {"add_to_cart": 4, "purchase": 2, "view": 24}
    assert runner.invoke(app, ["init-shop", str(SAMPLES / "nowhere")]).exit_code == 2
    out.write_text("sources: {a: {datset: items}}")
    wrong = runner.invoke(app, ["check-shop", folder, "--shop", str(out)])
    assert wrong.exit_code == 2 and "did you mean dataset?" in " ".join(wrong.output.split())


def test_a_shop_that_would_fail_ends_with_code_1(tmp_path: Path):
    shop = tmp_path / "shop.yaml"
    shop.write_text(EVENTS)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/events.csv").write_text("id,what,who,item,when\n1,view,a,x,never\n")
    told = CliRunner().invoke(app, ["check-shop", str(tmp_path / "files"), "--shop", str(shop)])
    assert told.exit_code == 1
    assert "not_a_timestamp: event_ts" in told.output and "1,view,a,x,never" in " ".join(told.output.split())
