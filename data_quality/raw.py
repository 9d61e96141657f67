"""The gate on `raw`: may the dates that wait to be built go into the warehouse?

Reads `raw.*`, `ops.loaded_files` and `ops.loaded_dates` for the pending dates up to the business date. What is expected of
each column follows from the landing contracts; how the date compares with the weeks before it, from `raw_drift`.
"""

from datetime import date

import great_expectations.expectations as gxe

from cartwheel import warehouse
from cartwheel.contracts import LANDING_CONTRACTS, Contract, Field
from cartwheel.settings import get_settings
from data_quality import raw_drift
from data_quality.checks import Check, Rule, no_rows, none_of, unique_together

ARRIVAL, FILES, IDS = "raw.interactions, arrival", "ops.loaded_files", "raw.interactions, ids"
REPORT = "report it with the file: loading keeps this true, so that it is a fault of the platform"
MEND = "have the file mended and delivered again under its key"


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    found = {
        ARRIVAL: Rule(
            [gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1)],
            "have the date's interactions delivered, run ingest_events for it again, and clear the gate",
        ),
        FILES: Rule(
            [
                none_of("file_that_cannot_be_read"),
                none_of("file_with_too_many_rejected_rows"),
                none_of("file_with_other_rejects_than_counted"),
            ],
            f"see raw.rejected_rows for the reasons; {MEND}, or raise CARTWHEEL_MAX_REJECTED_SHARE knowingly",
        ),
        IDS: Rule([no_rows("rows whose event id is another row's in raw.interaction_ids")], REPORT),
        raw_drift.NAME: raw_drift.rule(),
    }
    for contract in LANDING_CONTRACTS.values():
        found[f"raw.{contract.name}"] = Rule(contract_expectations(contract), MEND)
        found[keys(contract)] = Rule([no_rows(f"rows that repeat {', '.join(('business_date', *contract.key))}")], REPORT)
        found[accounts(contract)] = Rule([no_rows("files with other rows in the table than were counted as accepted")], REPORT)
    return found


def checks(day: date) -> list[Check]:
    """The suite for the pending dates up to `day`, and `day` itself."""
    known, pending = rules(), pending_dates(day)
    dates = sql_list(pending)
    where = f"business_date in ({dates})"
    queries = {ARRIVAL: arrival(day), FILES: files(day, dates), IDS: ids(where)}
    for contract in LANDING_CONTRACTS.values():
        table = f"raw.{contract.name}"
        columns = ", ".join(field.name for field in contract.fields if is_checked(field))
        queries[table] = f"select {columns} from {table} where {where}"
        queries[keys(contract)] = unique_together(table, ("business_date", *contract.key), where)
        queries[accounts(contract)] = rows_by_file(contract, where)
    return [*(Check(name, query, known[name]) for name, query in queries.items()), raw_drift.check(day, pending)]


def keys(contract: Contract) -> str:
    return f"raw.{contract.name}, keys"


def accounts(contract: Contract) -> str:
    return f"raw.{contract.name}, accounts"


def is_checked(field: Field) -> bool:
    """Whether the contract says more of the field than its type."""
    return field.required or field.allowed is not None or field.minimum is not None or field.maximum is not None


def contract_expectations(contract: Contract) -> list[gxe.Expectation]:
    """What the landing contract promises of the raw table's columns."""
    expectations: list[gxe.Expectation] = []
    for field in contract.fields:
        if field.required:
            expectations.append(gxe.ExpectColumnValuesToNotBeNull(column=field.name))
        if field.allowed is not None:
            expectations.append(gxe.ExpectColumnValuesToBeInSet(column=field.name, value_set=list(field.allowed)))
        if field.minimum is not None or field.maximum is not None:
            expectations.append(
                gxe.ExpectColumnValuesToBeBetween(column=field.name, min_value=field.minimum, max_value=field.maximum)
            )
    return expectations


def arrival(day: date) -> str:
    """Did the date's events arrive?"""
    return f"select count(*) as events from raw.interactions where business_date = date '{day}'"


def files(day: date, dates: str) -> str:
    """The files of the pending dates, and every file up to the date that cannot be read; what is wrong names the file."""
    share, differ = get_settings().max_rejected_share, "<>"
    if get_settings().raw_retention_days is not None:
        differ = ">"  # old rejected rows are dropped, also of a file that has rows of a recent date
    return f"""
        select
            key || ': ' || error as file_that_cannot_be_read,
            case when rejected - least(rejected, of_erased_users) > {share:f} * rows_read
                then key || ': ' || rejected || ' of ' || rows_read || ' rows rejected, allowed is a share of {share:g}'
            end as file_with_too_many_rejected_rows,
            case when kept_rejects {differ} counted_rejects
                then key || ': ' || kept_rejects || ' rows in raw.rejected_rows, ' || counted_rejects || ' counted'
            end as file_with_other_rejects_than_counted
        from (
            select key, error, rejected, rows_read, sum(rejected) over (partition by key, dataset) as counted_rejects,
                (select count(*) from raw.rejected_rows
                 where rejected_rows.key = loaded_files.key and rejected_rows.dataset = loaded_files.dataset) as kept_rejects,
                (select count(*) from raw.rejected_rows
                 where rejected_rows.key = loaded_files.key and rejected_rows.dataset = loaded_files.dataset
                 and reason = 'erased_user') as of_erased_users
            from ops.loaded_files
            where business_date in ({dates})
                or (error is not null and coalesce(business_date, date '{day}') <= date '{day}')
                or (business_date is null and accepted = 0)
                or (key, source) in (select key, source from ops.loaded_dates where business_date in ({dates}))
        ) as files
    """


def ids(where: str) -> str:
    """Events that are not where `raw.interaction_ids` says that their id is."""
    return f"""
        select interactions.key, interactions.line from raw.interactions
        left join raw.interaction_ids as ids
            on interactions.event_id = ids.event_id and interactions.business_date = ids.business_date
            and interactions.key = ids.key and interactions.line = ids.line
        where interactions.{where} and ids.event_id is null
    """


def rows_by_file(contract: Contract, where: str) -> str:
    """Files of which the table holds other rows, by date, than `ops.loaded_dates` counts."""
    return f"""
        select business_date, key, held.rows as held, counted.rows as counted
        from (select business_date, key, count(*) as rows from raw.{contract.name} where {where} group by 1, 2) as held
        full join (
            select business_date, key, sum(rows) as rows from ops.loaded_dates
            where dataset = '{contract.name}' and {where} group by 1, 2 having sum(rows) > 0
        ) as counted using (business_date, key)
        where held.rows is distinct from counted.rows
    """


def pending_dates(day: date) -> list[date]:
    """The dates up to `day` with files loaded since they were last built, and `day` itself."""
    with warehouse.connect() as connection:
        rows = connection.execute("select business_date from ops.pending_dates where business_date < %s", (day,)).fetchall()
    return [*sorted(row[0] for row in rows), day]


def sql_list(dates: list[date]) -> str:
    return ", ".join(f"date '{day}'" for day in dates)
