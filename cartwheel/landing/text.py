"""From a file on disk to a stream of UTF-8: compression and encoding undone, a block at a time.

Bytes that the encoding does not know go through as lone surrogates, which no UTF-8 holds: the readers reject the rows
they are in and `chunks.shown` writes them as escapes.
"""

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

BLOCK_BYTES = 4 << 20
# Longer ones first: the mark of UTF-16 begins the one of UTF-32.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, pa.ArrowInvalid)  # what reading a broken compressed file raises


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def _escape_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


def _show_escaped(error: UnicodeError) -> tuple[str, int]:
    """The other way: three bytes that are a lone surrogate stand for one undecodable byte."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    found = error.object[error.start : error.start + 3]
    if len(found) == 3 and found[0] == 0xED and 0xB0 <= found[1] <= 0xB3:
        return f"\\x{((found[1] & 3) << 6) | (found[2] & 0x3F):02x}", error.start + 3
    return "".join(f"\\x{byte:02x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("cartwheel_escape", _escape_undecodable)
codecs.register_error("cartwheel_show", _show_escaped)


@contextmanager
def opened(path: Path, compression: str | None) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed while they are read. Reading a broken file raises one of `UNREADABLE`."""
    match compression:
        case "gzip":
            with gzip.open(path, "rb") as stream:
                yield stream  # type: ignore[misc]
        case "bz2":
            with bz2.open(path, "rb") as stream:
                yield stream  # type: ignore[misc]
        case "xz":
            with lzma.open(path, "rb") as stream:
                yield stream  # type: ignore[misc]
        case "zstd":
            with pa.input_stream(str(path), compression="zstd") as stream:
                yield stream
        case _:
            with path.open("rb") as stream:
                yield stream


class Utf8Stream:
    """A stream of bytes in any encoding, read as UTF-8 without a byte order mark. A mark overrules `encoding`."""

    def __init__(self, stream: Readable, encoding: str) -> None:
        self._stream = stream
        self._rest = b""
        start = self._read(4)
        self.encoding = codecs.lookup(encoding).name.removesuffix("-sig")
        for mark, marked in BYTE_ORDER_MARKS:
            if start.startswith(mark):
                self.encoding, start = marked, start[len(mark) :]
                break
        self._rest = start
        self._decoder = None if self.encoding == "utf-8" else codecs.getincrementaldecoder(self.encoding)("cartwheel_escape")

    def read(self, size: int) -> bytes:
        """Some bytes of UTF-8; none at the end."""
        while True:
            raw = self._rest or self._read(size)
            self._rest = b""
            if self._decoder is None:
                return raw
            text = self._decoder.decode(raw, final=not raw)
            if text or not raw:
                return text.encode("utf-8", "surrogatepass")

    def _read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing and (part := self._stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)
