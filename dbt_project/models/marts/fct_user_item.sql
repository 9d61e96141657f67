{{ config(
    materialized='incremental', incremental_strategy='replace_keys', unique_key=['user_key', 'item_id'],
    on_schema_change='fail',
    indexes=[{'columns': ['user_key', 'item_id'], 'unique': true}, {'columns': ['item_id']}, {'columns': ['last_date']}]
) }}

-- depends_on: {{ ref('int_dates_to_build') }}
with

{% if is_incremental() %}

    -- Users and items that met on a date being built, or had met on it before it changed.
    changed as (

        select
            user_key,
            item_id
        from {{ ref('fct_interactions') }}
        where item_id is not null and {{ is_to_be_built('event_date') }}
        union
        select
            user_key,
            item_id
        from {{ this }} as known
        where {{ may_change('known') }}

    ),

    -- `offset 0` has PostgreSQL look each of them up by the index, instead of reading the whole history.
    interactions as (

        select events.*
        from changed
        cross join lateral (
            select history.* from {{ ref('fct_interactions') }} as history
            where history.user_key = changed.user_key and history.item_id = changed.item_id
            offset 0 -- noqa: AM09
        ) as events

    ),

{% else %}

    interactions as (

        select * from {{ ref('fct_interactions') }}
        where item_id is not null

    ),

{% endif %}

by_pair as (

    select
        user_key,
        item_id,
        min(event_date) as first_date,
        max(event_date) as last_date,
        count(*) as events,
        count(*) filter (where event_type = 'impression') as impressions,
        count(*) filter (where event_type = 'view') as views,
        count(*) filter (where event_type = 'click') as clicks,
        count(*) filter (where event_type = 'add_to_cart') as carts,
        count(*) filter (where event_type = 'purchase') as purchases,
        count(*) filter (where event_type = 'rating') as ratings,
        count(distinct event_date) filter (where event_type = 'purchase') as purchase_days,
        min(event_date) filter (where event_type = 'purchase') as first_purchase_date,
        max(event_date) filter (where event_type = 'purchase') as last_purchase_date,
        coalesce(sum(quantity::numeric) filter (where event_type = 'purchase'), 0)::double precision as quantity,
        coalesce(sum(revenue), 0)::numeric(18, 4) as revenue
    from interactions
    group by user_key, item_id

),

with_gap as (

    select
        *,
        (last_purchase_date - first_purchase_date)::numeric / nullif(purchase_days - 1, 0) as gap_days
    from by_pair

)

select
    user_key,
    item_id,
    first_date,
    last_date,
    events,
    impressions,
    views,
    clicks,
    carts,
    purchases,
    ratings,
    purchase_days,
    first_purchase_date,
    last_purchase_date,
    gap_days::double precision as gap_days,
    quantity,
    revenue
from with_gap
