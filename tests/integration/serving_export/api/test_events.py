"""Events from the API to raw, through the real journal, landing bucket and ingest; and through a process that is killed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import made_up_releases as made_up
import pytest
from api_client import make_client, wait_until
from fastapi.testclient import TestClient

from cartwheel import lake, warehouse
from cartwheel.ingest import ingest
from cartwheel.local.config import LocalConfig, free_ports
from cartwheel.settings import PROJECT_ROOT, get_settings
from serving_export.api.journal import Journal
from serving_export.api.metrics import WAITING
from serving_export.api.uploads import upload_segments

DAY = date(1999, 2, 3)
PREFIX = f"interactions/{DAY}/api-"


def event(number: int, **fields: object) -> dict:
    basis = {"event_id": f"api-test-{number}", "event_type": "click", "user_id": "u1", "item_id": "soap"}
    return basis | {"event_ts": f"{DAY}T10:00:00+02:00"} | fields


def landed() -> list[dict]:
    keys = [item["Key"] for item in lake.list_objects(get_settings().landing_bucket, PREFIX)]
    texts = [lake.get_bytes(get_settings().landing_bucket, key) for key in keys]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture(autouse=True)
def empty_day(stores: LocalConfig) -> Iterator[None]:
    yield
    for item in lake.list_objects(get_settings().landing_bucket, PREFIX):
        lake.s3_client().delete_object(Bucket=get_settings().landing_bucket, Key=item["Key"])
    with warehouse.connect() as connection:
        connection.execute("delete from raw.interactions where business_date = %s", (DAY,))
        connection.execute("delete from raw.interaction_ids where business_date = %s", (DAY,))
        for table in ("ops.loaded_files", "ops.loaded_dates"):
            connection.execute(f"delete from {table} where key like %s", (f"{PREFIX}%",))


def in_raw() -> list[tuple]:
    query = "select event_id, event_type, user_id, event_ts::text from raw.interactions where business_date = %s order by 1"
    with warehouse.connect() as connection:
        return connection.execute(query, (DAY,)).fetchall()


def test_what_is_accepted_is_ingested_once(tmp_path: Path) -> None:
    with make_client(tmp_path) as client:
        batch = [event(1), event(2, event_type="dance"), event(3, quantity=2, context={"ab": [1, None]}), event(1)]
        answer = client.post("/v1/events", json={"events": batch})
        assert answer.status_code == 202
        problems = ["event_type: input should be 'impression', 'view', 'click', 'add_to_cart', 'purchase', 'rating' or 'search'"]
        assert answer.json() == {
            "accepted": 3,
            "rejected": [{"row": 1, "event_id": "api-test-2", "problems": problems}],
        }
    upload_segments(tmp_path)
    assert list(tmp_path.iterdir()) == []
    report = ingest(DAY)
    assert (report.accepted, report.duplicates, report.rejected) == (2, 1, 0)
    assert in_raw() == [
        ("api-test-1", "click", "u1", "1999-02-03 08:00:00+00"), ("api-test-3", "click", "u1", "1999-02-03 08:00:00+00"),
    ]  # fmt: skip
    assert ingest(DAY).files == 0


def test_an_upload_that_was_cut_off_is_done_again_without_a_double(tmp_path: Path) -> None:
    with make_client(tmp_path) as client:
        client.post("/v1/events", json={"events": [event(1), event(2)]})
    (segment,) = tmp_path.iterdir()
    content = segment.read_bytes()
    upload_segments(tmp_path)
    segment.write_bytes(content + b'{"type":"event","event":{"event_id":"half')  # uploaded, not removed; a later write cut off
    upload_segments(tmp_path)
    assert [each["event_id"] for each in landed()] == ["api-test-1", "api-test-2"]


def test_a_list_that_is_shown_becomes_impressions(tmp_path: Path) -> None:
    made_up.make_schema()
    made_up.publish(made_up.releases(), DAY)
    try:
        with make_client(tmp_path) as client:
            wanted = {"limit": 2, "surface": "home", "variant": "diverse_home:diverse", "device": "app"}
            client.get("/v1/users/user 1/recommendations", params=wanted, headers={"X-Request-ID": "r-1"})
            client.get("/v1/users/user 1/recommendations", params={"shown": False})
    finally:
        made_up.drop_schema()
    (segment,) = tmp_path.iterdir()
    (line,) = segment.read_text().splitlines()
    assert json.loads(line)["items"] == ["for_you 1", "for_you 2"]
    upload_segments(tmp_path)
    today = json.loads(line)["at"][:10]
    key = f"interactions/{today}/api-{segment.name}"
    text = lake.get_bytes(get_settings().landing_bucket, key)
    lake.s3_client().delete_object(Bucket=get_settings().landing_bucket, Key=key)
    first, second = (json.loads(each) for each in text.splitlines())
    assert (first["rank"], second["rank"], second["item_id"]) == (1, 2, "for_you 2")
    assert {first["event_id"] + "-", second["event_id"] + "-"} == {f"{json.loads(line)['id']}-{rank}-" for rank in (1, 2)}
    assert (first["request_id"], first["surface"], first["device"], first["event_type"]) == ("r-1", "home", "app", "impression")
    assert first["context"] == {"list": "for_you", "release": str(DAY), "experiments": {"diverse_home": "diverse"}}


def test_a_full_disk_is_told_and_costs_no_recommendation(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")
    with make_client(tmp_path / "journal") as client:
        answer = client.post("/v1/events", json={"events": [event(1)]})
    assert (answer.status_code, "the journal cannot be written" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events": []}', b'{"events": [{}], "more": 1}', b"\xff", b'{"events": NaN}'])
def test_a_body_that_is_no_batch(tmp_path: Path, body: bytes) -> None:
    assert make_client(tmp_path).post("/v1/events", content=body).status_code == 422


def test_every_acknowledged_event_of_a_killed_process_lands_exactly_once(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "uvicorn", "--factory", "serving_export.api.application:create_app", "--port", str(port)]
    environment = {**os.environ, "CARTWHEEL_API_JOURNAL_DIR": str(tmp_path), "CARTWHEEL_API_UPLOAD_EVERY_S": "0.05"}
    server = subprocess.Popen([*command, "--no-access-log"], cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL)
    acknowledged: list[str] = []
    headers = {"Authorization": f"Bearer {get_settings().api_key}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            wait_for(client)
            for number in range(0, 400, 4):
                batch = [event(each) for each in range(number, number + 4)]
                assert client.post("/v1/events", json={"events": batch}).status_code == 202
                acknowledged += [each["event_id"] for each in batch]
                if number == 200:
                    wait_until(lambda: len(landed()) > 0)  # the uploader had its turn
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    wait_until(lambda: upload_segments(tmp_path) >= 0 and not list(tmp_path.glob("*.jsonl")))  # an upload may be at work still
    ingest(DAY)
    assert [row[0] for row in in_raw()] == sorted(acknowledged)
    assert len(landed()) == len(acknowledged)


def test_uploads_go_on_after_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "api_upload_every_s", 0.05)
    monkeypatch.setenv("CARTWHEEL_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")  # of the process that uploads
    WAITING.set(0)
    with make_client(tmp_path) as client:
        before = metric(client, "uploaded_events_total")
        assert client.post("/v1/events", json={"events": [event(1)]}).status_code == 202
        wait_until(lambda: metric(client, "journal_waiting_bytes") > 0)  # an upload has ended and left the event
        assert (metric(client, "uploaded_events_total"), landed()) == (before, [])
        monkeypatch.delenv("CARTWHEEL_S3_ENDPOINT_URL")
        wait_until(lambda: metric(client, "uploaded_events_total") == before + 1)
    assert [each["event_id"] for each in landed()] == ["api-test-1"]


def metric(client: TestClient, name: str) -> float:
    (value,) = re.findall(rf"^cartwheel_api_{name} (.+)$", client.get("/metrics").text, re.MULTILINE)
    return float(value)


def test_events_are_safe_while_every_shared_thread_waits(tmp_path: Path) -> None:
    """Such as for a database that hangs."""

    async def journalled() -> None:
        release, journal = threading.Event(), Journal(tmp_path)
        hanging = [asyncio.create_task(asyncio.to_thread(release.wait)) for _ in range(64)]
        try:
            await asyncio.sleep(0)
            await asyncio.wait_for(journal.append(b"{}\n"), 60)
        finally:
            release.set()
            await asyncio.gather(*hanging)
            await journal.close()

    asyncio.run(journalled())
    (segment,) = tmp_path.glob("*.jsonl")
    assert segment.read_bytes() == b"{}\n"


def wait_for(client: httpx.Client) -> None:
    while True:
        try:
            client.get("/health")
            return
        except httpx.ConnectError:
            time.sleep(0.1)
