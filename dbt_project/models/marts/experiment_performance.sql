{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key=['experiment', 'variant', 'event_date'],
    meta={'since': ['event_date']}, on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

with user_days as (

    select * from {{ ref('fct_experiment_user_days') }}
    where {{ is_to_be_replayed('event_date') }}

),

performance as (

    select
        experiment,
        variant,
        event_date,
        count(*) as users,
        sum(impressions)::bigint as impressions,
        sum(clicks)::bigint as clicks,
        sum(conversions)::bigint as conversions,
        (sum(clicks) / nullif(sum(impressions), 0))::double precision as click_rate,
        (sum(conversions) / nullif(sum(impressions), 0))::double precision as conversion_rate
    from user_days
    group by experiment, variant, event_date

)

select * from performance
