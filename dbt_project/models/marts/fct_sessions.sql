{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

with interactions as (

    select * from {{ ref('fct_interactions') }}
    where {{ is_to_be_built('event_date') }}

),

sessions as (

    select
        event_date,
        user_key,
        session_key,
        min(event_ts) as started_at,
        max(event_ts) as ended_at,
        {{ first_known('region') }} as region,
        {{ first_known('surface') }} as surface,
        {{ first_known('device') }} as device,
        count(*) as events,
        count(*) filter (where event_type = 'view') as views,
        count(*) filter (where event_type = 'add_to_cart') as carts,
        count(*) filter (where event_type = 'purchase') as purchases,
        bool_or(event_type = 'purchase') as is_basket,
        count(distinct item_id) filter (where event_type = 'purchase') as items,
        coalesce(sum(quantity::numeric) filter (where event_type = 'purchase'), 0)::double precision as quantity,
        coalesce(sum(revenue), 0)::numeric(18, 4) as revenue
    from interactions
    group by event_date, user_key, session_key

)

select * from sessions
