"""A text stream as overlapping blocks, with the physical line each starts at, and monster lines passed over.

Nothing here grows with the file or with its longest line: a line of more than `MAX_RECORD_BYTES` is read to its end
and dropped, but for its beginning.
"""

from typing import Protocol

import numpy as np

from cartwheel.landing.chunks import KEPT_BYTES, Malformed, shown
from cartwheel.landing.text import BLOCK_BYTES

MAX_RECORD_BYTES = 1 << 20
CR, LF = 13, 10


class TextStream(Protocol):
    """UTF-8, as `text.Utf8Stream` gives it; `encoding` is the file's own."""

    encoding: str

    def read(self, size: int) -> bytes: ...


class Blocks:
    """`data` starts at physical line `line`, at the start of a record; `final` says that nothing follows it.

    With `lone_cr`, a carriage return alone ends a line too, as old Macs wrote them.
    """

    def __init__(self, stream: TextStream, lone_cr: bool, block_bytes: int = BLOCK_BYTES) -> None:
        self._stream, self._lone_cr, self._block_bytes = stream, lone_cr, block_bytes
        self.data, self.line, self.final = b"", 1, False
        self.read_more()

    def read_more(self) -> None:
        """Lengthen `data`. It never ends between CR and LF."""
        more = self._stream.read(self._block_bytes)
        self.data += more
        while more and self.data.endswith(b"\r"):
            more = self._stream.read(1)
            self.data += more
        self.final = not more

    def use(self, size: int, lines: int) -> None:
        """Go on after so many bytes, which end so many lines."""
        self.data = self.data[size:]
        self.line += lines

    def line_end(self, start: int, limit: int | None = None) -> int:
        """The position after the end of the line at `start`, or -1 if `data` does not hold its end."""
        end = len(self.data) if limit is None else min(limit, len(self.data))
        newline = self.data.find(b"\n", start, end)
        if self._lone_cr and (cr := self.data.find(b"\r", start, end if newline < 0 else newline)) >= 0:
            return cr + 2 if self.data[cr + 1 : cr + 2] == b"\n" else cr + 1
        return newline + 1 if newline >= 0 else -1

    def pass_monster(self) -> Malformed | None:
        """If `data` starts with a line that is too long, go on after it."""
        end = self.line_end(0)
        if len(self.data[:end].rstrip(b"\r\n") if end >= 0 else self.data) <= MAX_RECORD_BYTES:
            return None
        line, start, size = self.line, self.data[:KEPT_BYTES], 0
        while (end := self.line_end(0)) < 0 and not self.final:
            size += len(self.data)
            self.data = b""
            self.read_more()
        used = end if end >= 0 else len(self.data)
        size += len(self.data[:used].rstrip(b"\r\n"))
        self.use(used, 1)
        return Malformed(line, f"line_too_long: {size} bytes", shown(start))


def line_ends(data: bytes, lone_cr: bool) -> np.ndarray:
    """The positions after each line's end."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == LF)
    if lone_cr and b"\r" in data:
        returns = np.flatnonzero(raw == CR)
        followed = np.zeros(len(returns), bool)
        inside = returns + 1 < len(raw)
        followed[inside] = raw[returns[inside] + 1] == LF
        ends = np.sort(np.concatenate([ends, returns[~followed]]))
    return ends + 1


def without_line_end(data: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """`ends` moved before the CR, LF or CRLF that may stand there."""
    if not len(ends):
        return ends
    raw = np.frombuffer(data, np.uint8)
    result = ends - (((raw[ends - 1] == LF) | (raw[ends - 1] == CR)) & (ends > starts))
    before = np.maximum(result - 1, 0)
    return result - ((raw[before] == CR) & (result > starts) & (result < ends) & (raw[ends - 1] == LF))
