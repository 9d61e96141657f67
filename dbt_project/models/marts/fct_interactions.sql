{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

-- The tests of the keys run with this model, against what these two have just become.
-- depends_on: {{ ref('dim_users') }}
-- depends_on: {{ ref('dim_items') }}
with interactions as (

    select * from {{ ref('stg_interactions') }}
    where {{ is_to_be_built('business_date') }}

),

user_keys as (

    select * from {{ ref('int_user_keys') }}

),

keyed as (

    select
        interactions.business_date as event_date,
        interactions.event_id,
        interactions.event_type,
        user_keys.user_key,
        interactions.item_id,
        interactions.event_ts,
        interactions.quantity,
        interactions.price,
        interactions.value,
        case
            when interactions.event_type = 'purchase'
                then coalesce(interactions.value, interactions.price * coalesce(interactions.quantity, 1))
        end::numeric(18, 4) as revenue,
        interactions.session_id,
        interactions.surface,
        interactions.device,
        interactions.region,
        interactions.request_id,
        interactions.rank,
        interactions.context
    from interactions
    left join user_keys on interactions.user_id = user_keys.user_id

)

select * from keyed
