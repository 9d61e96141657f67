{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='release_id', on_schema_change='fail'
) }}

-- depends_on: {{ ref('int_dates_to_build') }}
with kpis as (

    select max(event_date) as last_date from {{ ref('daily_kpis') }}

),

lists as (

    select
        lists.*,
        kpis.last_date
    from {{ ref('release_lists') }} as lists
    cross join kpis
    {% if is_incremental() %}
        where
            lists.partition_date >= {{ first_date_to_build() }} - 28
            or lists.build_id not in (select counted.build_id from {{ this }} as counted)
    {% endif %}

),

-- An item of a list counts once, at its first purchase after the release; its revenue is all of that window.
bought as (

    select
        release_id,
        list,
        reason_kind,
        rank_band,
        user_key,
        item_id,
        min(days_after) as days_after,
        coalesce(sum(revenue) filter (where days_after <= 1), 0) as revenue_1,
        coalesce(sum(revenue) filter (where days_after <= 7), 0) as revenue_7,
        sum(revenue) as revenue_28
    from {{ ref('recommended_purchases') }}
    where release_id in (select lists.release_id from lists)
    group by release_id, list, reason_kind, rank_band, user_key, item_id

),

hits as (

    select
        release_id,
        list,
        reason_kind,
        rank_band,
        count(*) filter (where days_after <= 1) as bought_1,
        count(*) filter (where days_after <= 7) as bought_7,
        count(*) as bought_28,
        sum(revenue_1) as revenue_1,
        sum(revenue_7) as revenue_7,
        sum(revenue_28) as revenue_28
    from bought
    group by release_id, list, reason_kind, rank_band

),

performance as (

    select
        lists.release_id,
        lists.build_id,
        lists.partition_date,
        lists.model_version,
        lists.list,
        lists.reason_kind,
        lists.rank_band,
        lists.recommended,
        lists.users,
        greatest(least(lists.last_date - lists.partition_date, 28), 0) as days_observed,
        coalesce(hits.bought_1, 0) as bought_1,
        coalesce(hits.bought_7, 0) as bought_7,
        coalesce(hits.bought_28, 0) as bought_28,
        coalesce(hits.bought_1, 0)::double precision / lists.recommended as hit_rate_1,
        coalesce(hits.bought_7, 0)::double precision / lists.recommended as hit_rate_7,
        coalesce(hits.bought_28, 0)::double precision / lists.recommended as hit_rate_28,
        coalesce(hits.revenue_1, 0)::numeric(18, 4) as revenue_1,
        coalesce(hits.revenue_7, 0)::numeric(18, 4) as revenue_7,
        coalesce(hits.revenue_28, 0)::numeric(18, 4) as revenue_28
    from lists
    left join hits
        on
            lists.release_id = hits.release_id
            and lists.list = hits.list
            and lists.reason_kind = hits.reason_kind
            and lists.rank_band = hits.rank_band

)

select * from performance
