"""Parquet, some rows of a row group at a time; a row's line is its number, from 1, and its original text is JSON."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cartwheel.landing.chunks import BadFileError, Chunk, empty_frame, no_originals, unique_names

CHUNK_ROWS = 20_000
BUFFER_BYTES = 1 << 20  # read of a column at a time, instead of all of it


def read_parquet(path: Path, chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows of a file; at least one chunk, perhaps without rows.

    Raises:
        BadFileError: it is no Parquet file, is broken, or holds bytes that are no text.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
            names = unique_names(file.schema_arrow.names)
            yield Chunk(empty_frame(names), no_originals)
            line = 1
            for batch in file.iter_batches(batch_size=chunk_rows, use_threads=False):
                frame = _as_text(batch, names, line)
                line += len(frame)
                yield Chunk(frame, partial(_originals, frame))
    except (pa.ArrowException, OSError) as error:
        raise BadFileError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _originals(frame: pl.DataFrame, wanted: Iterable[int]) -> list[str]:
    return frame[list(wanted)].select(pl.struct(pl.exclude("line")).struct.json_encode()).to_series().to_list()


def _as_text(batch: pa.RecordBatch, names: list[str], first_line: int) -> pl.DataFrame:
    """Every column as text; nested values as JSON, times in ISO 8601."""
    frame = pl.DataFrame(pa.Table.from_batches([batch.rename_columns(names)]))
    columns = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime):
            column = column.dt.to_string("iso:strict")
        elif isinstance(dtype, pl.List | pl.Array | pl.Struct):
            encoded = pl.struct(column.alias("v")).struct.json_encode()  # {"v":…}
            column = pl.when(column.is_not_null()).then(encoded.str.slice(5).str.head(-1))
        elif dtype == pl.Binary:
            column = _text_of_bytes(frame[name])
        else:
            column = column.cast(pl.String)
        columns.append(column.alias(name))
    frame = frame.select(columns).with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)).name.keep())
    return frame.insert_column(0, pl.int_range(first_line, first_line + len(frame), eager=True).alias("line"))


def _text_of_bytes(column: pl.Series) -> pl.Expr:
    try:
        return pl.lit(column.cast(pl.String))
    except pl.exceptions.ComputeError as error:
        raise BadFileError(f"its column {column.name} holds bytes that are no text") from error
