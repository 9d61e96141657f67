{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}, {'columns': ['user_key', 'item_id']}]
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

-- Where the shop gives no session, half an hour without an event ends one; midnight always does.
with_pauses as (

    select
        interactions.*,
        user_keys.user_key,
        interactions.session_id is null and coalesce(
            interactions.event_ts - lag(interactions.event_ts) over by_time > interval '30 minutes', true
        ) as starts_session
    from interactions
    left join user_keys on interactions.user_id = user_keys.user_id
    window by_time as (
        partition by interactions.user_id, interactions.business_date, interactions.session_id is null
        order by interactions.event_ts, interactions.event_id
    )

),

keyed as (

    select
        business_date as event_date,
        event_id,
        event_type,
        user_key,
        item_id,
        event_ts,
        quantity,
        price,
        value,
        case
            when event_type = 'purchase'
                then coalesce(value, price * coalesce(quantity, 1))
        end::numeric(18, 4) as revenue,
        session_id,
        coalesce(
            session_id,
            concat_ws('-', user_key, to_char(business_date, 'YYYYMMDD'), count(*) filter (where starts_session) over by_time)
        ) as session_key,
        surface,
        device,
        region,
        request_id,
        rank,
        context
    from with_pauses
    window by_time as (partition by user_key, business_date, session_id is null order by event_ts, event_id)

)

select * from keyed
