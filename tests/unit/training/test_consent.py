"""Training for a date leaves out who does not consent on that date, though the cut-offs' features hold them."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
import training_shop

from training import data
from training.train import fit

CUTOFF, DAY = date(1999, 6, 1), date(1999, 8, 24)


@pytest.fixture(autouse=True)
def made_up_lake(monkeypatch):
    tables, events = training_shop.tables(CUTOFF), training_shop.labels(CUTOFF)
    of_dataset = {data.DATASETS[name]: table for name, table in tables.items()}

    def read(dataset: str, day: date) -> pl.DataFrame:
        if dataset == "no_consent":
            return pl.DataFrame({"user_key": ["u03"] if day == DAY else []}, schema={"user_key": pl.String})
        return of_dataset[dataset]

    monkeypatch.setattr(data, "read", read)
    monkeypatch.setattr(data, "events_between", lambda after, until: events)


def test_tables_of_a_cut_off():
    before, now = data.load(CUTOFF), data.load(CUTOFF, known_on=DAY)
    assert before.keys() == now.keys()
    for name in ("sequences", "user", "user_item", "user_subcategory", "user_category", "candidates"):
        assert now[name].equals(before[name].filter(pl.col("user_key") != "u03")), name
        assert len(now[name]) < len(before[name])
    assert now["items"].equals(before["items"]) and now["item"].equals(before["item"])
    assert data.load(CUTOFF, known_on=CUTOFF)["user"].equals(before["user"])


def test_labels():
    assert "u03" in data.window_events(CUTOFF, known_on=CUTOFF, days=28)["user_key"]
    assert "u03" not in data.window_events(CUTOFF, known_on=DAY, days=28)["user_key"]


def test_what_was_bought_before_a_cut_off_and_delivered_after_it_labels_nothing(monkeypatch):
    at = [datetime(1999, 5, 20, 12, tzinfo=UTC), datetime(1999, 6, 1, 11, tzinfo=UTC), datetime(1999, 6, 2, tzinfo=UTC)]
    events = training_shop.labels(CUTOFF).head(3).with_columns(event_ts=pl.Series(at, dtype=pl.Datetime("us", "UTC")))
    monkeypatch.setattr(data, "events_between", lambda after, until: events)
    labels = data.window_events(CUTOFF, known_on=CUTOFF, days=28)["event_ts"].to_list()
    assert labels == at[1:], "in the east, 2 June begins on 1 June in UTC"


def test_a_model_holds_no_user(tmp_path):
    def named(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(pl.col("user_key").str.pad_start(20, "x")) if "user_key" in table.columns else table

    tables = {name: named(table) for name, table in training_shop.tables(CUTOFF).items()}
    ranker, _ = fit({CUTOFF: tables}, {CUTOFF: named(training_shop.labels(CUTOFF))}, encoder_epochs=1, scorer_epochs=1)
    ranker.save(tmp_path / "model")
    files = [path.read_bytes() for path in sorted((tmp_path / "model").rglob("*")) if path.is_file()]
    assert any(b"i07" in body for body in files)  # items, by their ids
    assert not any(b"xxxxxxxxxxu" in body for body in files)
