"""Who owns an event's id: `raw.interaction_ids`, over all dates.

A file claims the ids of its rows, a chunk at a time. Mostly all are new, and one COPY is enough. Where some are known,
they are told apart: ids that this file owns, ids it takes over from a later file, and ids whose rows are duplicates.
"""

from datetime import date

import polars as pl
import psycopg
from psycopg import sql

from cartwheel.copying import copy_rows

# How the ids of a chunk find their owners, where some have one already. `incoming_ids`: the chunk's; `first_ids`: of
# each id the first row; `own_ids`: those that this file owns; `taken_ids`: those it takes over, and from which row.
TEMPORARY = """
create temp table if not exists incoming_ids (event_id text collate "C", business_date date, line bigint)
on commit delete rows;
create temp table if not exists own_ids (event_id text collate "C", line bigint) on commit delete rows;
create temp table if not exists taken_ids (
    event_id text collate "C", business_date date, line bigint, old_business_date date, old_key text, old_line bigint
) on commit delete rows;
create or replace temp view first_ids as
select distinct on (event_id) event_id, business_date, line from incoming_ids order by event_id, line;
"""
CLAIM_FREE_IDS = """
with added as (
    insert into raw.interaction_ids (event_id, business_date, key, line)
    select event_id, business_date, %s::text, line from first_ids
    on conflict do nothing
    returning event_id, line
)
insert into own_ids (event_id, line) select event_id, line from added
"""
FIND_IDS_TO_TAKE = """
insert into taken_ids (event_id, business_date, line, old_business_date, old_key, old_line)
select first_ids.event_id, first_ids.business_date, first_ids.line, ids.business_date, ids.key, ids.line
from first_ids
inner join raw.interaction_ids as ids using (event_id)
where ids.key <> %s and (first_ids.business_date, %s::text collate "C") < (ids.business_date, ids.key collate "C")
"""
NOTE_DUPLICATES = """
insert into raw.duplicate_rows (business_date, dataset, key, line, row_key, first_business_date, first_key, first_line)
select
    incoming.business_date, 'interactions', %s::text, incoming.line, incoming.event_id,
    ids.business_date, ids.key, ids.line
from incoming_ids as incoming
inner join raw.interaction_ids as ids using (event_id)
where not exists (select from own_ids as own where own.event_id = incoming.event_id and own.line = incoming.line)
returning line
"""
# A file's rows whose ids are taken over become duplicates, and duplicates of theirs point to the new owner.
TAKE_ROWS_OUT = """
delete from raw.interactions as rows using taken_ids as taken
where rows.business_date = any(%s) and rows.business_date = taken.old_business_date
    and rows.key = taken.old_key and rows.line = taken.old_line and rows.event_id = taken.event_id
"""
TAKE_IDS = """
update raw.interaction_ids as ids set business_date = taken.business_date, key = %s, line = taken.line
from taken_ids as taken where ids.event_id = taken.event_id
"""
POINT_TO_NEW_OWNER = """
update raw.duplicate_rows as later
set first_business_date = taken.business_date, first_key = %s, first_line = taken.line
from taken_ids as taken where later.dataset = 'interactions' and later.row_key = taken.event_id
"""
NOTE_TAKEN = """
insert into raw.duplicate_rows (business_date, dataset, key, line, row_key, first_business_date, first_key, first_line)
select old_business_date, 'interactions', old_key, old_line, event_id, business_date, %s::text, line from taken_ids
"""


class EventIds:
    """The ids of one file's events. `taken`: after each `claim`, of which file and date how many rows were taken over."""

    def __init__(self, connection: psycopg.Connection, key: str) -> None:
        self.connection, self.key = connection, key
        self.taken: list[tuple[str, date, int]] = []
        self._met_known_ids = False

    def claim(self, rows: pl.DataFrame) -> list[int]:
        """Own the ids of these rows; the lines of those whose id another row owns, which are noted as duplicates."""
        self.taken = []
        ids = rows.select("event_id", "business_date", pl.lit(self.key).alias("key"), "line").sort("event_id")
        if not self._met_known_ids and not ids["event_id"].is_duplicated().any():
            try:
                with self.connection.transaction():
                    copy_rows(self.connection, sql.Identifier("raw", "interaction_ids"), ids)
                return []
            except psycopg.errors.UniqueViolation:
                self._met_known_ids = True
        run = self.connection.execute
        run(TEMPORARY)
        run("truncate incoming_ids, own_ids, taken_ids")
        copy_rows(self.connection, sql.Identifier("incoming_ids"), ids.drop("key"))
        run(CLAIM_FREE_IDS, (self.key,))
        if run(FIND_IDS_TO_TAKE, (self.key, self.key)).rowcount:
            self._take_over()
        return [line for (line,) in run(NOTE_DUPLICATES, (self.key,)).fetchall()]

    def _take_over(self) -> None:
        run = self.connection.execute
        self.taken = run("select old_key, old_business_date, count(*) from taken_ids group by 1, 2 order by 1, 2").fetchall()
        run(TAKE_ROWS_OUT, ([day for _, day, _ in self.taken],))
        for statement in (TAKE_IDS, POINT_TO_NEW_OWNER, NOTE_TAKEN):
            run(statement, (self.key,))
        run("insert into own_ids (event_id, line) select event_id, line from taken_ids")
