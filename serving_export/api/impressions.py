"""What was shown goes into the journal, without holding up the answer."""

import asyncio

import structlog

from serving_export.api.journal import Journal
from serving_export.api.metrics import JOURNALLED, LOST
from serving_export.api.records import ShownList, encode

log = structlog.get_logger()

GATHER_S = 0.02


class Impressions:
    """Gathers the lists that were shown for 20 ms, so that many share a write and a sync of the disk."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.lines: list[bytes] = []

    def note(self, shown: ShownList) -> None:
        """It is safe on disk soon after the answer, not before it."""
        self.lines.append(encode(shown))
        if len(self.lines) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self.write)

    def write(self) -> None:
        """Hand over to the journal what was gathered."""
        lines, self.lines = self.lines, []
        if not lines:
            return

        def count(written: "asyncio.Future[None]") -> None:
            if error := written.exception():
                LOST.inc(len(lines))
                log.warning("impressions lost", lists=len(lines), error=str(error))
            else:
                JOURNALLED.labels("shown").inc(len(lines))

        self.journal.append(b"".join(lines)).add_done_callback(count)
