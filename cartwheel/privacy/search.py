"""Search the whole database for a person: every table of every schema, whatever it is called.

- The key is 32 hexadecimal digits, so it is looked for anywhere within every text and JSON column.
- The id may be as short as `7`, so it counts only as a whole value: in columns `user_id` and `row_key`, and as a value
  within the original texts of rejected rows. An id that is not just a number is looked for in JSON values and in text
  columns that no contract knows, too; the contracts' other columns hold items, regions and the like, which may coincide.
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from cartwheel.contracts import LAKE_SCHEMAS, LANDING_CONTRACTS
from cartwheel.privacy.person import Person, Places

# They hold the key on purpose: the record of what was done, and who must not come back.
RECORDS = ("ops.erasures", "ops.erased_users")
ID_COLUMNS = {"user_id", "row_key"}
OTHER_COLUMNS = {field.name for contract in LANDING_CONTRACTS.values() for field in contract.fields} | {
    name for schema in LAKE_SCHEMAS.values() for name in schema.names
}
_COLUMNS = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname, format_type(a.atttypid, null)
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    inner join pg_attribute as a on a.attrelid = c.oid
    where c.relkind in ('r', 'p', 'm') and not c.relispartition and a.attnum > 0 and not a.attisdropped
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and format_type(a.atttypid, null) = any(%s)
    order by 1, a.attnum
"""
_TEXT = ("text", "character varying", "character", "name")
_JSON = ("json", "jsonb")
_ARRAYS = ("text[]", "character varying[]")


def search(connection: psycopg.Connection, person: Person) -> Places:
    """Rows that hold the person, by table."""
    found = {}
    for table, columns in _tables(connection):
        where = _condition(columns, person)
        values = {"key": person.user_key, "id": person.user_id, "pattern": person.text_pattern()}
        query = sql.SQL("select count(*) from {} where {}").format(sql.SQL(table), where)
        row = connection.execute(query, values).fetchone()
        if row and row[0]:
            found[table] = row[0]
    return found


def columns_by_table(connection: psycopg.Connection, schemas: tuple[str, ...], name: str) -> list[str]:
    """The tables of some schemas that have a column of a name, quoted."""
    of_name = (table for table, columns in _tables(connection) if name in columns)
    return [table for table in of_name if table.split(".")[0] in schemas]


def _tables(connection: psycopg.Connection) -> Iterator[tuple[str, dict[str, str]]]:
    """Each table with its columns that can hold text, and their types; partitions are part of their table."""
    by_table: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(_COLUMNS, ([*_TEXT, *_JSON, *_ARRAYS],)):
        by_table.setdefault(table, {})[column] = kind
    return ((table, columns) for table, columns in by_table.items() if table not in RECORDS)


def _condition(columns: dict[str, str], person: Person) -> sql.Composable:
    names = [sql.Identifier(column) for column in columns]
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names)
    parts: list[sql.Composable] = [sql.SQL("strpos(concat_ws(' ', {}), %(key)s) > 0").format(texts)]
    for column, kind in columns.items():
        name = sql.Identifier(column)
        if column == "original":
            parts.append(sql.SQL("{} ~ %(pattern)s").format(name))
        elif column in ID_COLUMNS and kind in _TEXT:
            parts.append(sql.SQL("{} = %(id)s").format(name))
        elif person.is_number or (column in OTHER_COLUMNS and kind not in _JSON):
            continue
        elif kind in _JSON:
            in_json = "(strpos({0}::text, to_json(%(id)s::text)::text) > 0 and jsonb_path_exists({0}::jsonb,"
            in_json += " '$.** ? (@ == $id)', jsonb_build_object('id', %(id)s::text)))"
            parts.append(sql.SQL(in_json).format(name))
        elif kind in _ARRAYS:
            parts.append(sql.SQL("%(id)s = any({})").format(name))
        else:
            parts.append(sql.SQL("{} = %(id)s").format(name))
    return sql.SQL("(") + sql.SQL(" or ").join(parts) + sql.SQL(")")
