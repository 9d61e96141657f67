"""Filling the raw tables of a small warehouse as ingest does, building it, and comparing its marts."""

from datetime import date

from psycopg import sql

from cartwheel import warehouse
from cartwheel.dbt import run_dbt


def query(statement: str, *parameters) -> list[tuple]:
    """The rows of a query on the warehouse."""
    with warehouse.connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def load(dataset: str, day: date, columns: str, rows: list[tuple]) -> None:
    """Replace a date of a raw table, as ingest does."""
    with warehouse.connect() as connection:
        partition = f"raw.{dataset}_{day:%Y%m%d}"
        connection.execute(f"create table if not exists {partition} partition of raw.{dataset} for values in ('{day}')")
        connection.execute(f"truncate {partition}")
        places = ", ".join(["%s"] * len(columns.split(",")))
        connection.cursor().executemany(
            f"insert into {partition} (business_date, key, line, {columns}) values ('{day}', 'file', 1, {places})", rows
        )
        for table in ("ops.loaded_files", "ops.loaded_dates"):
            connection.execute(f"delete from {table} where dataset = %s and business_date = %s", (dataset, day))
        connection.execute(
            "with file as ("
            " insert into ops.loaded_files"
            " (key, etag, source, dataset, business_date, bytes, rows_read, accepted, rejected, duplicates)"
            " values (%s, 'etag', %s, %s, %s, 1, %s, %s, 0, 0) returning *"
            ") insert into ops.loaded_dates (dataset, business_date, key, source, file_id, rows)"
            " select dataset, business_date, key, source, file_id, accepted from file",
            (f"{dataset}/{day}.csv", dataset, dataset, day, len(rows), len(rows)),
        )


def build(day: date, *options: str, command: str = "build") -> None:
    """`dbt build` of a date, as Airflow does: unit tests know no date."""
    if command == "build":
        options += ("--exclude-resource-type", "unit_test")
    run_dbt(command, "--vars", f"{{partition_date: '{day}'}}", *options, capture=True)


def tables_of_marts() -> list[str]:
    """Every table and view of the marts."""
    rows = query("select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'v') order by 1")
    return [name for (name,) in rows]


def checksums() -> dict[str, tuple[int, str]]:
    """Rows and contents of every mart."""
    statement = "select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text collate \"C\"), '')) from marts.{} as t"
    with warehouse.connect() as connection:
        return {
            mart: connection.execute(sql.SQL(statement).format(sql.Identifier(mart))).fetchone() for mart in tables_of_marts()
        }
