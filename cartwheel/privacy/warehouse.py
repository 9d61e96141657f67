"""The person in the warehouse: the raw tables, and whatever dbt has built.

Nothing is loaded or built meanwhile: the locks of dbt and of ingest are held. The raw tables change in one transaction.
Dates that held events of the person are marked to be built again, as sums over people stand in the marts: the next build
of the warehouse corrects them.
"""

import psycopg
import structlog
from psycopg import sql

from cartwheel import warehouse
from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.dbt import build_lock
from cartwheel.privacy.person import Person, Places
from cartwheel.privacy.search import columns_by_table, search

log = structlog.get_logger()

DBT_SCHEMAS = ("staging", "intermediate", "marts")
DATASETS = [contract for contract in LANDING_CONTRACTS.values() if "user_id" in contract.columns]

_ERASED_ROWS = """
    create temp table erased_rows (
        dataset text, business_date date, key text, line bigint, row_key text
    ) on commit drop
"""
_DUPLICATES = """
    from raw.duplicate_rows as duplicates
    where (duplicates.dataset = 'users' and duplicates.row_key = %(id)s)
    or (duplicates.dataset, duplicates.first_business_date, duplicates.first_key, duplicates.first_line)
    in (select dataset, business_date, key, line from {rows} as rows)
"""
_IDS = """
    from raw.interaction_ids as ids
    where exists (select from {rows} as rows where rows.dataset = 'interactions' and rows.row_key = ids.event_id)
"""


class WarehouseEraser:
    """See `person.Eraser`."""

    def find(self, person: Person) -> Places:
        """Rows by table, of every schema; and what ingest knows of the person's rows."""
        with warehouse.connect() as connection:
            places = search(connection, person)
            for table, query in (("raw.duplicate_rows", _DUPLICATES), ("raw.interaction_ids", _IDS)):
                statement = sql.SQL("select count(*)" + query).format(rows=_raw_rows())
                row = connection.execute(statement, {"id": person.user_id}).fetchone()
                if row and row[0]:
                    places[table] = row[0]
        return places

    def erase(self, person: Person) -> Places:
        with build_lock("cartwheel erase-user"), warehouse.connect() as connection:
            return _erase_raw(connection, person) | _erase_built(connection, person)


def landed_files(person: Person) -> Places:
    """The shop's files that hold rows of the person, by key, as far as raw still knows them."""
    query = sql.SQL("""
        select key, count(*) from (
            select key, line from {rows} as rows
            union
            select key, line from raw.rejected_rows where original ~ %(pattern)s
            union
            select duplicates.key, duplicates.line {duplicates}
        ) as lines group by key order by key
    """).format(rows=_raw_rows(), duplicates=sql.SQL(_DUPLICATES).format(rows=_raw_rows()))
    with warehouse.connect() as connection:
        return dict(connection.execute(query, {"id": person.user_id, "pattern": person.text_pattern()}).fetchall())


def _raw_rows() -> sql.Composable:
    """The person's rows of the raw tables, as a subquery with the columns of `erased_rows`."""
    each = "select {name} as dataset, business_date, key, line, {row_key} as row_key from raw.{table} where user_id = %(id)s"
    selects = [
        sql.SQL(each).format(
            name=sql.Literal(contract.name), row_key=sql.Identifier(contract.key[0]), table=sql.Identifier(contract.name)
        )
        for contract in DATASETS
    ]
    return sql.SQL("(") + sql.SQL(" union all ").join(selects) + sql.SQL(")")


def _erase_raw(connection: psycopg.Connection, person: Person) -> Places:
    values = {"id": person.user_id, "pattern": person.text_pattern()}
    rows = sql.Identifier("erased_rows")
    places = Places()
    with warehouse.ingest_lock(), connection.transaction():
        connection.execute(_ERASED_ROWS)
        for contract in DATASETS:
            removed = connection.execute(
                sql.SQL(
                    "with gone as (delete from raw.{table} where user_id = %(id)s returning business_date, key, line, {row_key})"
                    " insert into erased_rows select {name}, gone.* from gone"
                ).format(
                    table=sql.Identifier(contract.name),
                    row_key=sql.Identifier(contract.key[0]),
                    name=sql.Literal(contract.name),
                ),
                values,
            )
            places[f"raw.{contract.name}"] = removed.rowcount
        for table, query in (("raw.duplicate_rows", _DUPLICATES), ("raw.interaction_ids", _IDS)):
            places[table] = connection.execute(sql.SQL("delete" + query).format(rows=rows), values).rowcount
        # The row stays, so that the accounts stay exact; its text goes.
        places["raw.rejected_rows"] = connection.execute(
            "update raw.rejected_rows set original = null where original ~ %(pattern)s", values
        ).rowcount
        _correct_accounts(connection)
    return {place: count for place, count in places.items() if count}


def _correct_accounts(connection: psycopg.Connection) -> None:
    """`ops.loaded_dates` says what lies in raw; the dates of the person's events are to be built again."""
    connection.execute("""
        with removed as (
            select dataset, business_date, key, count(*) as rows from erased_rows group by 1, 2, 3
        ), before as ( -- several sources may have read the same file: the rows are taken from them in turn
            select loaded_dates.*, coalesce(sum(loaded_dates.rows) over (
                partition by dataset, business_date, key order by source
                rows between unbounded preceding and 1 preceding
            ), 0) as rows_of_earlier_sources
            from ops.loaded_dates
        )
        update ops.loaded_dates as loaded
        set rows = loaded.rows - least(loaded.rows, greatest(removed.rows - before.rows_of_earlier_sources, 0))
        from removed inner join before using (dataset, business_date, key)
        where (loaded.dataset, loaded.business_date, loaded.key, loaded.source)
        = (before.dataset, before.business_date, before.key, before.source)
    """)
    marked = connection.execute("""
        update ops.built_dates set last_file_id = 0
        where business_date in (select business_date from erased_rows where dataset = 'interactions')
    """)
    log.info("dates to be built again", dates=marked.rowcount)


def _erase_built(connection: psycopg.Connection, person: Person) -> Places:
    """Every table with a column of users, a transaction each."""
    places = Places()
    for column, value in (("user_key", person.user_key), ("user_id", person.user_id)):
        for table in columns_by_table(connection, DBT_SCHEMAS, column):
            with connection.transaction():
                statement = sql.SQL("delete from {} where {} = %s").format(sql.SQL(table), sql.Identifier(column))
                removed = connection.execute(statement, (value,)).rowcount
            if removed:
                places[table] = places.get(table, 0) + removed
                log.info("erased", table=table, rows=removed)
    return places
