"""From the journal to the landing bucket, where the next `ingest_events` of the day picks the events up.

    python -m serving_export.api.uploads        uploads what processes that are no longer there have left

Each complete segment becomes one object per business date, `interactions/<date>/api-<segment>.jsonl`, and is removed when
all are there. Names and contents follow from the segment alone: a run that was cut off between the two is done again with
the same result, and ingest, which knows an object by its key and ETag, loads it once.
"""

import asyncio
from collections import defaultdict
from pathlib import Path

import botocore.exceptions
import msgspec
import structlog

from cartwheel import lake
from cartwheel.settings import get_settings
from serving_export.api.journal import SEGMENTS, Journal, free_segment
from serving_export.api.metrics import UPLOADED, WAITING
from serving_export.api.records import events_of

log = structlog.get_logger()


def upload_segments(folder: Path) -> int:
    """Upload every segment that no process writes; the number of events.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the bucket cannot be reached; run it again.
    """
    events = 0
    for path in sorted(folder.glob(SEGMENTS)):
        with free_segment(path) as is_free:
            if is_free:
                events += _upload(path)
                path.unlink()
    WAITING.set(sum(path.stat().st_size for path in folder.glob(SEGMENTS) if path.exists()))
    return events


def _upload(path: Path) -> int:
    lines: dict[str, list[bytes]] = defaultdict(list)
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            if not line.endswith(b"\n"):
                raise msgspec.DecodeError("the line has no end")
            for day, event in events_of(line):
                lines[day].append(msgspec.json.encode(event) + b"\n")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # of a write that was cut off, so nobody was told it is safe
            log.warning("a journal's line is not whole: left out", segment=path.name, line=number, error=type(error).__name__)
    bucket = get_settings().landing_bucket
    for day, events in lines.items():
        lake.s3_client().put_object(Bucket=bucket, Key=f"interactions/{day}/api-{path.stem}.jsonl", Body=b"".join(events))
    count = sum(map(len, lines.values()))
    UPLOADED.inc(count)
    log.info("events uploaded", segment=path.name, events=count, dates=sorted(lines))
    return count


async def upload_now_and_then(journal: Journal, every_s: float) -> None:
    """Until cancelled: end the segment and upload all that are complete, also those of processes that have died."""
    while True:
        await asyncio.sleep(every_s)
        journal.rotate()
        try:
            await asyncio.to_thread(upload_segments, journal.folder)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            log.warning("events stay in the journal: the landing bucket cannot be reached", error=type(error).__name__)


if __name__ == "__main__":
    print(f"{upload_segments(get_settings().api_journal_dir)} events uploaded")
