{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

with interactions as (

    select * from {{ ref('fct_interactions') }}
    where {{ is_to_be_built('event_date') }}

),

user_days as (

    select
        event_date,
        user_key,
        count(*) as events,
        count(*) filter (where event_type = 'purchase') as purchases,
        count(distinct session_key) filter (where event_type = 'purchase') as baskets,
        coalesce(sum(quantity::numeric) filter (where event_type = 'purchase'), 0)::double precision as quantity,
        coalesce(sum(revenue), 0)::numeric(18, 4) as revenue
    from interactions
    group by event_date, user_key

)

select * from user_days
