{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

with purchases as (

    select * from {{ ref('fct_interactions') }}
    where event_type = 'purchase' and item_id is not null and {{ is_to_be_built('event_date') }}

),

sales as (

    select
        item_id,
        event_date,
        count(distinct user_key) as buyers,
        count(distinct row(user_key, session_key)) as baskets,
        coalesce(sum(quantity::numeric), 0)::double precision as quantity,
        coalesce(sum(revenue), 0)::numeric(18, 4) as revenue
    from purchases
    group by event_date, item_id

)

select * from sales
