"""Records on disk before anyone is told that they are safe: a write-ahead journal with group commit.

Records gather while the disk is busy; then all of them are written and synced at once (Gawlick, Kinkade: Varieties of
concurrency control in IMS/VS Fast Path, 1985). A process writes segments of its own, `<name>.jsonl` in the journal's folder,
one record a line, and holds a lock on the one it writes: a segment without a lock is complete, or its process is dead.
`uploads` puts segments into the landing bucket and removes them.
"""

import asyncio
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

MAX_WAITING_BYTES = 64 << 20
MAX_SEGMENT_BYTES = 8 << 20  # an upload holds all events of a segment: some thirty times its size
SEGMENTS = "*.jsonl"


class JournalError(OSError):
    """Records could not be made safe; the message says why."""


class Journal:
    """The journal of this process. `append` may be called from one event loop only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.thread = ThreadPoolExecutor(1, "journal")  # its own: the shared ones may all wait for a store that hangs
        self.file: int | None = None
        self.waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self.waiting_bytes = 0
        self.writer: asyncio.Task | None = None
        self.rotate_next = False

    def append(self, lines: bytes) -> "asyncio.Future[None]":
        """Hand over whole lines; the future is done when they are safe on disk, or fails with `JournalError`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.waiting_bytes + len(lines) > MAX_WAITING_BYTES:
            future.set_exception(JournalError("the disk is too slow: too much waits to be written"))
            return future
        self.waiting.append((lines, future))
        self.waiting_bytes += len(lines)
        if self.writer is None:
            self.writer = asyncio.create_task(self._write())
        return future

    def rotate(self) -> None:
        """Begin a new segment with the next record, so that the present one can be uploaded."""
        if self.writer is None:
            self._end_segment()
        else:
            self.rotate_next = True

    async def close(self) -> None:
        """Write what waits, and let go of the segment."""
        if self.writer is not None:
            await self.writer
        self._end_segment()
        self.thread.shutdown()

    async def _write(self) -> None:
        try:
            while self.waiting:
                group, self.waiting, self.waiting_bytes = self.waiting, [], 0
                try:
                    lines = b"".join(lines for lines, _ in group)
                    await asyncio.get_running_loop().run_in_executor(self.thread, self._commit, lines)
                except OSError as error:
                    self._settle(group, JournalError(f"the journal cannot be written: {error.strerror or error}"))
                else:
                    self._settle(group, None)
                if self.rotate_next:
                    self._end_segment()
        finally:
            self.writer = None

    @staticmethod
    def _settle(group: list[tuple[bytes, "asyncio.Future[None]"]], error: JournalError | None) -> None:
        for _, future in group:
            if future.done():  # its request was given up
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _commit(self, lines: bytes) -> None:
        if self.file is None:
            self.file = self._new_segment()
        start = os.lseek(self.file, 0, os.SEEK_END)
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self.file, rest) :]
            os.fdatasync(self.file)
        except OSError:
            os.ftruncate(self.file, start)  # half a group would be told of as lost, and come to light nevertheless
            self._end_segment()
            raise
        self.rotate_next |= start + len(lines) > MAX_SEGMENT_BYTES

    def _new_segment(self) -> int:
        """Locked before anyone can see it under its name."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex}.jsonl"
        hidden = path.with_suffix(".new")
        file = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        hidden.rename(path)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return file

    def _end_segment(self) -> None:
        self.rotate_next = False
        if self.file is not None:
            os.close(self.file)  # which lets go of the lock
            self.file = None


@contextmanager
def free_segment(path: Path) -> Iterator[bool]:
    """Hold a segment's lock. False where another process writes or uploads it, or it is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path.exists()  # it may have been uploaded and removed before the lock was free
    except BlockingIOError:
        yield False
    finally:
        os.close(file)
