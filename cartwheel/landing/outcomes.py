"""A landed file through one source of the mapping: its rows by outcome, a chunk at a time."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cartwheel.landing.checks import Outcome, check
from cartwheel.landing.chunks import BadFileError
from cartwheel.landing.readers import read_chunks
from cartwheel.privacy.suppression import Suppression
from cartwheel.shop.source import Source


def read_outcomes(path: Path, key: str, source: Source, now: datetime, erased: Suppression | None = None) -> Iterator[Outcome]:
    """The rows of the file `key`, a copy of which is at `path`; events later than `now` are not believed.

    Rows of `erased` users are rejected without their text.

    Raises:
        BadFileError: the file cannot be read, or lacks a column that the source needs.
    """
    try:
        form = source.format_of(key)
    except ValueError as error:
        raise BadFileError(str(error)) from error
    file_date = source.file_date(key)
    for number, chunk in enumerate(read_chunks(path, form)):
        if number == 0 and form.type != "jsonl":  # a JSON object may leave out what is empty
            columns = [name for name in chunk.frame.columns if name != "line"]
            if missing := source.missing_columns(columns):
                raise BadFileError(f"lacks the column(s) {', '.join(missing)}; it has {', '.join(columns)}")
        yield check(chunk, source, key, file_date, now, erased)
