"""Rows of a query as objects."""

from collections.abc import Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

Row = TypeVar("Row")


def rows(
    connection: psycopg.Connection, kind: type[Row], query: str, parameters: Sequence[Any] | dict[str, Any] = ()
) -> list[Row]:
    """The rows of a query, each as a `kind` whose fields are its columns."""
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()
