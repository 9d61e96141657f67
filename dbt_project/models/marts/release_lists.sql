{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='release_id', on_schema_change='fail'
) }}

-- A release is counted once, while it is loaded; its figures stay when it is removed.
with releases as (

    select
        release_id,
        build_id,
        partition_date,
        model_version
    from {{ source('serving', 'releases') }} as loaded
    {% if is_incremental() %}
        where not exists (
            select from {{ this }} as counted
            where counted.build_id = loaded.build_id
        )
    {% endif %}

),

-- The loads are written out, so that PostgreSQL reads their partitions alone.
recommendations as (

    select
        build_id,
        user_id,
        list,
        {{ reason_kind('reason') }} as reason_kind,
        {{ rank_band('rank') }} as rank_band
    from {{ source('serving', 'lists') }}
    where build_id in ({{ builds_to_count() }})

),

-- First by user, then by group: counting distinct users in one step would sort every list.
by_user as (

    select
        build_id,
        list,
        reason_kind,
        rank_band,
        user_id,
        count(*) as recommended
    from recommendations
    group by build_id, list, reason_kind, rank_band, user_id

),

by_group as (

    select
        build_id,
        list,
        reason_kind,
        rank_band,
        sum(recommended)::bigint as recommended,
        count(*) as users
    from by_user
    group by build_id, list, reason_kind, rank_band

),

lists as (

    select
        releases.release_id,
        releases.build_id,
        releases.partition_date,
        releases.model_version,
        by_group.list,
        by_group.reason_kind,
        by_group.rank_band,
        by_group.recommended,
        by_group.users
    from by_group
    inner join releases on by_group.build_id = releases.build_id

)

select * from lists
