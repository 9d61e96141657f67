"""COPY of a frame into PostgreSQL."""

import io

import polars as pl
import psycopg
from psycopg import sql


def copy_rows(connection: psycopg.Connection, table: sql.Composable, frame: pl.DataFrame) -> None:
    """COPY a frame into the columns of its names."""
    columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, columns)
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    with connection.cursor().copy(statement) as copy:
        copy.write(buffer.getbuffer())
