"""From the journal to the landing bucket, where the next `ingest_events` of the day picks the events up.

    python -m serving_export.api.uploads        uploads what processes that are no longer there have left

Each complete segment becomes one object per business date, `interactions/<date>/api-<segment>.jsonl`, and is removed when
all are there. Names and contents follow from the segment alone: a run that was cut off between the two is done again with
the same result, and ingest, which knows an object by its key and ETag, loads it once.
"""

import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import botocore.exceptions
import msgspec
import structlog

from cartwheel import lake
from cartwheel.settings import PROJECT_ROOT, get_settings
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
    log.info("events uploaded", segment=path.name, events=count, dates=sorted(lines))
    return count


async def upload_now_and_then(journal: Journal, every_s: float) -> None:
    """Until cancelled: end the segment and upload all that are complete, also those of processes that have died."""
    while True:
        await asyncio.sleep(every_s)
        journal.rotate()
        try:
            if any(journal.folder.glob(SEGMENTS)):
                await _upload_beside(journal.folder)
            WAITING.set(sum(path.stat().st_size for path in journal.folder.glob(SEGMENTS)))
        except OSError as error:  # also a segment that another process has just removed
            log.warning("the journal was not uploaded", error=str(error))


async def _upload_beside(folder: Path) -> None:
    """In a process of its own: making events of lists takes a third of the work of answering with them."""
    command = [sys.executable, "-m", __spec__.name, str(folder)]
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE)
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:  # cancelled; what was not done is done again
            process.terminate()
            await process.wait()
    if process.returncode:
        log.warning("events stay in the journal until the next upload", exit_code=process.returncode)
    else:
        UPLOADED.inc(int(printed.split()[0]))


def main() -> None:
    """Upload, print how many events, and exit with one line if the bucket cannot be reached."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    os.nice(10)  # answers go first
    try:
        events = upload_segments(Path(sys.argv[1]) if len(sys.argv) > 1 else get_settings().api_journal_dir)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"events stay in the journal: the landing bucket cannot be reached ({type(error).__name__})")
    print(f"{events} events uploaded")


if __name__ == "__main__":
    main()
