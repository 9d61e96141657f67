"""A few connections to PostgreSQL that the API's threads share."""

import queue
import select
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cartwheel import warehouse


class Pool:
    """Opens up to `size` connections as they are needed; a broken one is replaced."""

    def __init__(self, dsn: str, size: int = 8, wait_s: float = 2.0) -> None:
        self.dsn, self.wait_s = dsn, wait_s
        self.slots: queue.LifoQueue[psycopg.Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self.slots.put(None)

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A connection that commits each statement.

        Raises:
            psycopg.OperationalError: the server cannot be reached, or all connections were busy for `wait_s`.
        """
        try:
            connection = self.slots.get(timeout=self.wait_s)
        except queue.Empty:
            raise psycopg.OperationalError("all connections to PostgreSQL are busy") from None
        try:
            if connection is None or _is_broken(connection):
                connection = None
                connection = warehouse.connect(self.dsn, autocommit=True, connect_timeout=2, tcp_user_timeout=5000)
                connection.execute("set statement_timeout = '2s'")
            yield connection
        finally:
            self.slots.put(connection)


def _is_broken(connection: psycopg.Connection) -> bool:
    """Closed here, or by the server: an idle connection with something to read has been told goodbye."""
    if connection.closed:
        return True
    waiting = select.poll()  # `select` knows no descriptor beyond 1023, and a busy server's sockets come near it
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
