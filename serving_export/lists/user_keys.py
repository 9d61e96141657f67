"""The users of the warehouse in the order of their keys, and reading along with them."""

from collections.abc import Iterable, Iterator

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

from cartwheel.settings import get_settings

# By bytes, as the lake is sorted.
USER_KEYS = 'select user_key, user_id from intermediate.int_user_keys order by user_key collate "C"'


def user_keys() -> Iterator[pl.DataFrame]:
    """user_key and user_id of every user, some at a time, in the order of user_key."""
    with adbc.connect(get_settings().postgres_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(USER_KEYS)
        for batch in cursor.fetch_record_batch():
            yield pl.DataFrame(batch)


class Ascending:
    """Frames whose rows stand in the order of `user_key`, read only as far as they are asked for."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self.frames = iter(frames)
        self.held = next(self.frames)

    def up_to(self, last: str) -> pl.DataFrame:
        """The rows up to and with this key that were not taken before."""
        taken = []
        while len(self.held) == 0 or self.held["user_key"][-1] <= last:
            taken.append(self.held)
            following = next(self.frames, None)
            if following is None:
                self.held = self.held.clear()
                return pl.concat(taken)
            self.held = following
        cut = self.held["user_key"].search_sorted(last, side="right")
        taken.append(self.held[:cut])
        self.held = self.held[cut:]
        return pl.concat(taken)

    def rest(self) -> pl.DataFrame:
        """All rows that were not taken."""
        return pl.concat([self.held, *self.frames])
