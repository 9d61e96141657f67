{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='event_date',
    on_schema_change='fail', indexes=[{'columns': ['event_date']}, {'columns': ['release_id']}]
) }}

with releases as (

    select
        release_id,
        build_id,
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

buyers as (

    select
        user_id,
        user_key
    from {{ ref('int_user_keys') }}
    where user_key in (select purchases.user_key from purchases)

),

-- The lists as they were published: what a refresh lays over them is made from the very purchases that are counted here.
-- Materialized, so that each buyer's lists are looked up once and not for every purchase.
recommendations as materialized (

    select
        buyers.user_key,
        releases.release_id,
        lists.list,
        lists.rank,
        lists.item_id,
        {{ reason_kind('lists.reason') }} as reason_kind,
        {{ rank_band('lists.rank') }} as rank_band
    from {{ source('serving', 'lists') }} as lists
    inner join releases on lists.build_id = releases.build_id
    inner join buyers on lists.user_id = buyers.user_id

),

bought as (

    select
        purchases.event_date,
        recommendations.release_id,
        recommendations.list,
        recommendations.rank,
        purchases.user_key,
        purchases.item_id,
        recommendations.reason_kind,
        recommendations.rank_band,
        purchases.event_date - releases.partition_date as days_after,
        purchases.quantity,
        purchases.revenue
    from purchases
    inner join recommendations
        on purchases.user_key = recommendations.user_key and purchases.item_id = recommendations.item_id
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
