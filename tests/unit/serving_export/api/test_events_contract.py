"""What the API takes, ingest takes: both judge made-up rows, and must not differ where the API says yes."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwheel.contracts import EVENT_TYPES
from cartwheel.landing import read_outcomes
from cartwheel.shop.mapping import built_in_mapping
from serving_export.api.records import TakenEvent, encode, events_of
from serving_export.api.routes.events import InvalidEventError, checked

NOW = datetime(2020, 1, 1, tzinfo=UTC)
texts = st.text(max_size=20) | st.sampled_from(["", " ", "a\0b", "x" * 600, "é" * 300])
numbers = st.floats() | st.integers(-3, 10**10) | st.sampled_from([0, 1e-7, 1e9, "3"])
times = st.datetimes(datetime(1, 1, 1), datetime(2019, 12, 31)).map(str) | texts
rows = st.fixed_dictionaries(
    {"event_id": texts, "event_type": st.sampled_from([*EVENT_TYPES, "dance"]), "user_id": texts, "event_ts": times},
    optional={
        "item_id": texts, "quantity": numbers, "price": numbers, "value": numbers, "rank": numbers, "surface": texts,
        "context": st.dictionaries(texts, st.none() | texts | st.integers() | st.floats(allow_nan=False), max_size=3),
    },
)  # fmt: skip


@given(rows)
def test_an_accepted_event_is_never_rejected_by_ingest(row: dict) -> None:
    try:
        event = checked(row, 10**6, NOW)
    except InvalidEventError as error:
        assert error.problems
        return
    ((day, landed),) = events_of(encode(TakenEvent(event)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_text(json.dumps(landed) + "\n")
        key = f"interactions/{day}/api-1.jsonl"
        (source,) = built_in_mapping().sources_of(key)
        outcomes = list(read_outcomes(path, key, source, NOW))
    assert [reason for outcome in outcomes for reason in outcome.rejected["reason"]] == []
    good = [line for outcome in outcomes for line in outcome.good.to_dicts()]
    assert [(line["event_id"], line["business_date"]) for line in good] == [(row["event_id"], date.fromisoformat(day))]


def test_an_event_of_a_clock_that_is_off_by_years_is_refused():
    event = {"event_id": "e", "event_type": "click", "user_id": "u", "item_id": "i"}
    assert checked(event | {"event_ts": "2019-12-02T00:00:00Z"}, 30, NOW)["event_ts"] == "2019-12-02T00:00:00Z"
    for off in ("1970-01-01T00:00:00Z", "2019-12-01T23:59:59Z"):
        with pytest.raises(InvalidEventError, match="event_ts: more than 30 days ago"):
            checked(event | {"event_ts": off}, 30, NOW)
