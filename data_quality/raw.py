"""The gate on `raw`: may the dates that wait to be built go into the warehouse?

Reads `raw.*`, `ops.loaded_files` and `ops.loaded_dates` for the pending dates up to the business date. What is expected of each
column follows from the landing contracts.
"""

from datetime import date

import great_expectations.expectations as gxe

from cartwheel import warehouse
from cartwheel.contracts import LANDING_CONTRACTS, Contract, Field
from cartwheel.settings import get_settings
from data_quality.checks import WARNING, Check, none_of, unique_together

TRAILING_DAYS = 28
VOLUME_RANGE = (0.3, 3.0)


def checks(day: date) -> list[Check]:
    """The suite for the pending dates up to `day`, and `day` itself."""
    dates = sql_list(pending_dates(day))
    where = f"business_date in ({dates})"
    suite = [arrival(day), files(dates)]
    for contract in LANDING_CONTRACTS.values():
        table = f"raw.{contract.name}"
        columns = ", ".join(field.name for field in contract.fields if is_checked(field))
        suite += [
            Check(table, f"select {columns} from {table} where {where}", contract_expectations(contract)),
            unique_together(f"{table}, keys", table, ("business_date", *contract.key), where),
        ]
    return suite


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


def arrival(day: date) -> Check:
    """Did the date's events arrive, and about as many as on the days before?"""
    query = f"""
        select
            (select count(*) from raw.interactions where business_date = date '{day}') as events,
            (select count(*) from raw.interactions where business_date = date '{day}')
            / nullif(percentile_cont(0.5) within group (order by accepted), 0) as events_to_usual
        from (
            select sum(rows) as accepted from ops.loaded_dates
            where dataset = 'interactions'
                and business_date >= date '{day}' - {TRAILING_DAYS} and business_date < date '{day}'
            group by business_date
        ) as days_before
    """
    low, high = VOLUME_RANGE
    return Check(
        f"raw.interactions of {day}",
        query,
        [
            gxe.ExpectColumnValuesToBeBetween(column="events", min_value=1),
            gxe.ExpectColumnValuesToBeBetween(column="events_to_usual", min_value=low, max_value=high, severity=WARNING),
        ],
    )


def files(dates: str) -> Check:
    """No file may be unreadable, or have lost more of its rows than the settings allow; a file that fails is named.

    A file without a date in its name counts where its rows lie, and in any case until the next build.
    """
    share = get_settings().max_rejected_share
    query = f"""
        select
            case
                when error is not null then key || ': ' || error
                when rejected > {share:f} * rows_read
                    then key || ': ' || rejected || ' of ' || rows_read || ' rows rejected, allowed is a share of {share:g}'
            end as unreadable_or_largely_rejected_file
        from ops.loaded_files
        where business_date in ({dates})
            or (key, source) in (select key, source from ops.loaded_dates where business_date in ({dates}))
            or (business_date is null and file_id > (select coalesce(max(last_file_id), 0) from ops.built_dates))
    """
    return Check("ops.loaded_files", query, [none_of("unreadable_or_largely_rejected_file")])


def pending_dates(day: date) -> list[date]:
    """The dates up to `day` with files loaded since they were last built, and `day` itself."""
    with warehouse.connect() as connection:
        rows = connection.execute("select business_date from ops.pending_dates where business_date < %s", (day,)).fetchall()
    return [*sorted(row[0] for row in rows), day]


def sql_list(dates: list[date]) -> str:
    return ", ".join(f"date '{day}'" for day in dates)
