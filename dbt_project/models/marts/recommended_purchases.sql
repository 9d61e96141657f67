{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}, {'columns': ['release_id']}]
) }}

with releases as (

    select
        release_id,
        partition_date
    from {{ source('serving', 'releases') }}

),

purchases as (

    select
        event_date,
        user_key,
        item_id,
        coalesce(sum(quantity::numeric), 0)::double precision as quantity,
        sum(revenue)::numeric(18, 4) as revenue
    from {{ ref('fct_interactions') }}
    where
        event_type = 'purchase'
        and event_date > (select min(releases.partition_date) from releases)
        and {{ is_to_be_built('event_date') }}
    group by event_date, user_key, item_id

),

bought as (

    select
        purchases.event_date,
        recommendations.release_id,
        recommendations.list,
        recommendations.rank,
        purchases.user_key,
        purchases.item_id,
        {{ reason_kind('recommendations.reason') }} as reason_kind,
        {{ rank_band('recommendations.rank') }} as rank_band,
        purchases.event_date - releases.partition_date as days_after,
        purchases.quantity,
        purchases.revenue
    from purchases
    inner join {{ ref('int_user_keys') }} as user_keys on purchases.user_key = user_keys.user_key
    inner join {{ source('serving', 'recommendations') }} as recommendations
        on user_keys.user_id = recommendations.user_id and purchases.item_id = recommendations.item_id
    inner join releases
        on
            recommendations.release_id = releases.release_id
            and purchases.event_date > releases.partition_date
            and purchases.event_date <= releases.partition_date + 28

),

-- What was counted for releases that have been removed since stays.
with_removed as (

    select * from bought
    {% if is_incremental() %}
        union all
        select * from {{ this }}
        where {{ is_to_be_built('event_date') }} and release_id not in (select releases.release_id from releases)
    {% endif %}

)

select * from with_removed
