"""A landed file as chunks of text rows, whatever its format."""

from collections.abc import Iterator
from pathlib import Path

from cartwheel.landing.chunks import BadFileError, Chunk
from cartwheel.landing.csv_reader import read_csv
from cartwheel.landing.json_reader import read_json_lines
from cartwheel.landing.parquet_reader import read_parquet
from cartwheel.landing.text import UNREADABLE, Utf8Stream, opened
from cartwheel.shop.source import FileFormat


def read_chunks(path: Path, form: FileFormat) -> Iterator[Chunk]:
    """The rows of a file on disk; at least one chunk, perhaps without rows.

    Raises:
        BadFileError: the file cannot be read (on): it is truncated, corrupt, or of another format.
    """
    if form.type == "parquet":
        yield from read_parquet(path)
        return
    try:
        with opened(path, form.compression) as stream:
            text = Utf8Stream(stream, form.encoding)
            if form.type == "jsonl":
                yield from read_json_lines(text)
            else:
                yield from read_csv(text, form.delimiter, form.quote, form.header, form.columns)
    except UNREADABLE as error:
        what = f"as {form.compression}" if form.compression else ""
        raise BadFileError(f"cannot be read {what}: {str(error).splitlines()[0]}".replace(" :", ":")) from error
