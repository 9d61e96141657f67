{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key='user_key',
    meta={'since': ['first_event_date', 'first_purchase_date']}, on_schema_change='fail',
    indexes=[{'columns': ['user_key'], 'unique': true}, {'columns': ['first_event_date']}, {'columns': ['first_purchase_date']}]
) }}

with days as (

    select
        user_key,
        min(event_date) as first_event_date,
        min(event_date) filter (where purchases > 0) as first_purchase_date
    from {{ ref('fct_user_days') }}
    where {{ is_to_be_replayed('event_date') }}
    group by user_key

),

{% if is_incremental() %}

    -- What no change from the first date to build on can touch.
    settled as (

        select
            user_key,
            first_event_date,
            case when first_purchase_date < {{ first_date_to_build() }} then first_purchase_date end as first_purchase_date
        from {{ this }}
        where first_event_date < {{ first_date_to_build() }}

    ),

    changed as (

        select user_key from days
        union
        select user_key from {{ this }}
        where first_purchase_date >= {{ first_date_to_build() }}

    ),

    firsts as (

        select
            changed.user_key,
            coalesce(settled.first_event_date, days.first_event_date) as first_event_date,
            coalesce(settled.first_purchase_date, days.first_purchase_date) as first_purchase_date
        from changed
        left join settled on changed.user_key = settled.user_key
        left join days on changed.user_key = days.user_key
        where coalesce(settled.first_event_date, days.first_event_date) is not null

    )

{% else %}

    firsts as (

        select * from days

    )

{% endif %}

select * from firsts
