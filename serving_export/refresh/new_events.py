"""Who has bought since the date that is served, and what: read from `raw`, where ingest has put it.

A file's rows count as new while its number (`ops.loaded_files.file_id`) is above the one that the last refresh had seen.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from cartwheel import warehouse

PURCHASES: dict = {
    "user_id": pl.String,
    "user_key": pl.String,
    "item_id": pl.String,
    "event_ts": pl.Datetime("us", "UTC"),
    "session_id": pl.String,
}
LAST_FILE = "select coalesce(max(file_id), 0) from ops.loaded_files"
WITHDRAWN = "select user_id from raw.users where business_date > %(day)s and not consent"
# All of these users' purchases after the date, whichever file brought them; purchases without a session are one visit a day.
# Who has said since then that the data may not be used is left out at once.
PURCHASES_QUERY = """
    with newcomers as materialized (
        select distinct interactions.user_id
        from raw.interactions
        inner join ops.loaded_files using (key)
        where interactions.business_date > %(day)s
            and interactions.event_type = 'purchase'
            and loaded_files.file_id > %(seen)s and loaded_files.file_id <= %(last)s
            and interactions.user_id <> all(%(withdrawn)s)
    )
    select
        user_id,
        ops.user_key(user_id) as user_key,
        item_id,
        event_ts,
        coalesce(session_id, to_char(event_ts at time zone 'UTC', 'YYYY-MM-DD')) as session_id
    from raw.interactions
    inner join newcomers using (user_id)
    where business_date > %(day)s and event_type = 'purchase' and item_id is not null
"""


@dataclass(frozen=True)
class NewPurchases:
    """The columns of `PURCHASES`, the number of the last file they are read from, and who has withdrawn consent (user_id)."""

    purchases: pl.DataFrame
    last_file_id: int
    withdrawn: list[str]

    def users(self) -> pl.DataFrame:
        """user_key and user_id of everyone who has bought something."""
        return self.purchases.select("user_key", "user_id").unique()


def new_purchases(day: date, seen_file_id: int) -> NewPurchases:
    """What the users with new purchases have bought since the end of `day`; `seen_file_id` is the last file seen before."""
    with warehouse.connect() as connection:
        connection.execute("set transaction isolation level repeatable read")
        (last,) = connection.execute(LAST_FILE).fetchone()  # type: ignore[misc]
        withdrawn = [user for (user,) in connection.execute(WITHDRAWN, {"day": day})]
        parameters = {"day": day, "seen": seen_file_id, "last": last, "withdrawn": withdrawn}
        rows = connection.execute(PURCHASES_QUERY, parameters).fetchall()
    return NewPurchases(pl.DataFrame(rows, schema=PURCHASES, orient="row"), last, withdrawn)
