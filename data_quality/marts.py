"""The gate on the marts: do they hold exactly what was accepted, do they agree with one another, and is the day usual?

Reads `marts.*`, `ops.loaded_dates` and `intermediate.int_dates_to_build`: the dates of the last dbt build, and the key
figures of the weeks before the date.
"""

from datetime import date, timedelta

import great_expectations.expectations as gxe

from cartwheel import warehouse
from data_quality import drift
from data_quality.checks import Check, Rule, always, none_of
from data_quality.thresholds import VOLUME, WEEKDAY_DAYS

BY_DATE, DIMENSIONS, DRIFT = "marts, by date", "marts, dimensions", "marts.daily_kpis, drift"
KEY_FIGURES = ("revenue", "buyers", "items")
ADVICE = "clear the dbt layers of build_warehouse; if it stays, a model of dbt_project/models/marts is at fault"


def rules() -> dict[str, Rule]:
    """What is expected, by check."""
    return {
        BY_DATE: Rule(
            [
                gxe.ExpectTableRowCountToBeBetween(min_value=1),
                none_of("date_with_other_events_than_accepted"),
                none_of("date_with_other_revenue_in_daily_kpis"),
                none_of("date_with_other_revenue_in_fct_daily_item_sales"),
                always("rows_without_key", 0),
            ],
            ADVICE,
        ),
        DIMENSIONS: Rule(
            [gxe.ExpectColumnValuesToBeBetween(column="members", min_value=1), always("rows_without_own_key", 0)], ADVICE
        ),
        DRIFT: drift.rule("marts.daily_kpis", [(figure, VOLUME) for figure in KEY_FIGURES]),
    }


def checks(day: date) -> list[Check]:
    """The suite for the dates that the dbt build of `day` covered."""
    known = rules()
    return [
        Check(BY_DATE, by_date(day), known[BY_DATE]),
        Check(DIMENSIONS, DIMENSIONS_QUERY, known[DIMENSIONS]),
        drift.check(DRIFT, known[DRIFT], key_figures(day)),
    ]


def by_date(day: date) -> str:
    """One row per date, with the same sums taken from each table that can answer; a difference names the date."""
    dates = f"(select business_date from intermediate.int_dates_to_build where partition_date = date '{day}')"
    return f"""
        select
            case when coalesce(accepted_events, 0) <> coalesce(events, 0)
                then built.business_date || ': ' || coalesce(events, 0) || ' events in marts.fct_interactions, '
                    || coalesce(accepted_events, 0) || ' accepted'
            end as date_with_other_events_than_accepted,
            case when coalesce(daily_kpis.revenue, 0) <> coalesce(events.revenue, 0)
                then built.business_date || ': ' || coalesce(daily_kpis.revenue, 0) || ' in marts.daily_kpis, '
                    || coalesce(events.revenue, 0) || ' in marts.fct_interactions'
            end as date_with_other_revenue_in_daily_kpis,
            case when coalesce(sales_revenue, 0) <> coalesce(events.revenue, 0)
                then built.business_date || ': ' || coalesce(sales_revenue, 0) || ' in marts.fct_daily_item_sales, '
                    || coalesce(events.revenue, 0) || ' in marts.fct_interactions'
            end as date_with_other_revenue_in_fct_daily_item_sales,
            coalesce(events_without_key, 0) + coalesce(sales_without_key, 0) as rows_without_key
        from {dates} as built
        left join (
            select business_date, sum(rows) as accepted_events
            from ops.loaded_dates where dataset = 'interactions' and business_date in {dates} group by business_date
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


# Both dimensions hold something, with one current row per key.
DIMENSIONS_QUERY = """
    select 'dim_items' as dimension, count(*) as members, count(*) - count(distinct item_id) as rows_without_own_key
    from marts.dim_items where is_current
    union all
    select 'dim_users', count(*), count(*) - count(distinct user_key) from marts.dim_users where is_current
"""


def key_figures(day: date) -> list[drift.Measurement]:
    """The date's key figures against the same weekdays of the weeks before."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            f"select event_date, {', '.join(f'{figure}::float8' for figure in KEY_FIGURES)} from marts.daily_kpis"
            " where event_date between %s and %s",
            (day - timedelta(days=WEEKDAY_DAYS), day),
        ).fetchall()
    found = []
    for place, figure in enumerate(KEY_FIGURES, start=1):
        values = {row[0]: row[place] for row in rows if row[place] is not None}
        found.append(drift.volume(day, values.pop(day, 0.0), values, figure))
    return found
