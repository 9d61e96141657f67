"""The gate on the marts: do they hold exactly what was accepted, and do they agree with one another?

Reads `marts.*`, `ops.loaded_dates` and `intermediate.int_dates_to_build`, for the dates of the last dbt build.
"""

from datetime import date

import great_expectations.expectations as gxe

from data_quality.checks import Check, always


def checks(day: date) -> list[Check]:
    """The suite for the dates that the dbt build of `day` covered."""
    return [days(day), dimensions()]


def days(day: date) -> Check:
    """One row per date, with the same sums taken from each table that can answer."""
    dates = f"(select business_date from intermediate.int_dates_to_build where partition_date = date '{day}')"
    query = f"""
        select
            built.business_date,
            coalesce(accepted_events, 0) as accepted_events,
            coalesce(events, 0) as events,
            coalesce(events_without_key, 0) + coalesce(sales_without_key, 0) as rows_without_key,
            coalesce(events.revenue, 0) as revenue,
            coalesce(daily_kpis.revenue, 0) as kpi_revenue,
            coalesce(sales_revenue, 0) as sales_revenue
        from {dates} as built
        left join (
            select business_date, sum(rows) as accepted_events
            from ops.loaded_dates where dataset = 'interactions' group by business_date
        ) as accepted on built.business_date = accepted.business_date
        left join (
            select event_date, count(*) as events, coalesce(sum(revenue), 0) as revenue,
                count(*) filter (where user_key is null or event_id is null) as events_without_key
            from marts.fct_interactions where event_date in {dates} group by event_date
        ) as events on built.business_date = events.event_date
        left join (
            select event_date, sum(revenue) as sales_revenue, count(*) filter (where item_id is null) as sales_without_key
            from marts.fct_daily_item_sales where event_date in {dates} group by event_date
        ) as sales on built.business_date = sales.event_date
        left join marts.daily_kpis on built.business_date = daily_kpis.event_date
    """
    return Check(
        "marts, by date",
        query,
        [
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
            gxe.ExpectColumnPairValuesToBeEqual(column_A="events", column_B="accepted_events"),
            gxe.ExpectColumnPairValuesToBeEqual(column_A="kpi_revenue", column_B="revenue"),
            gxe.ExpectColumnPairValuesToBeEqual(column_A="sales_revenue", column_B="revenue"),
            always("rows_without_key", 0),
        ],
    )


def dimensions() -> Check:
    """Both dimensions hold something, with a key in every row."""
    query = """
        select 'dim_items' as dimension, count(*) as members, count(*) - count(distinct item_id) as rows_without_own_key
        from marts.dim_items
        union all
        select 'dim_users', count(*), count(*) - count(distinct user_key) from marts.dim_users
    """
    return Check(
        "marts, dimensions",
        query,
        [gxe.ExpectColumnValuesToBeBetween(column="members", min_value=1), always("rows_without_own_key", 0)],
    )
