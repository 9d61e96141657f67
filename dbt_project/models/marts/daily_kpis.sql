{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key='event_date',
    meta={'since': ['event_date']}, on_schema_change='fail', indexes=[{'columns': ['event_date'], 'unique': true}]
) }}

with user_days as (

    select
        days.*,
        firsts.first_event_date = days.event_date as is_new
    from {{ ref('fct_user_days') }} as days
    inner join {{ ref('user_first_dates') }} as firsts on days.user_key = firsts.user_key
    where {{ is_to_be_replayed('days.event_date') }}

),

by_user as (

    select
        event_date,
        count(*) as active_users,
        count(*) filter (where purchases > 0) as buyers,
        sum(baskets)::bigint as baskets,
        sum(quantity::numeric)::double precision as quantity,
        sum(revenue)::numeric(18, 4) as revenue,
        count(*) filter (where is_new) as new_users,
        count(*) filter (where not is_new) as returning_users
    from user_days
    group by event_date

),

by_item as (

    select
        event_date,
        count(*) as items
    from {{ ref('fct_daily_item_sales') }}
    where {{ is_to_be_replayed('event_date') }}
    group by event_date

),

by_region as (

    select
        event_date,
        count(distinct region) filter (where is_basket) as regions
    from {{ ref('fct_sessions') }}
    where {{ is_to_be_replayed('event_date') }}
    group by event_date

),

kpis as (

    select
        by_user.event_date,
        by_user.active_users,
        by_user.buyers,
        by_user.baskets,
        coalesce(by_item.items, 0) as items,
        by_user.quantity,
        by_user.revenue,
        by_user.new_users,
        by_user.returning_users,
        coalesce(by_region.regions, 0) as regions
    from by_user
    left join by_item on by_user.event_date = by_item.event_date
    left join by_region on by_user.event_date = by_region.event_date

)

select * from kpis
