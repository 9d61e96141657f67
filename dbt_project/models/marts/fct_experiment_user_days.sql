{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key=['experiment', 'event_date', 'user_key'],
    meta={'since': ['event_date']}, on_schema_change='fail',
    indexes=[{'columns': ['experiment', 'event_date']}, {'columns': ['event_date']}]
) }}

with exposures as (

    select
        exposed.experiment,
        exposed.user_key,
        exposed.variant,
        exposed.exposed_on,
        exposed.exposed_at,
        variants.ends_on,
        variants.surface
    from {{ ref('fct_experiment_exposures') }} as exposed
    inner join {{ source('ops', 'experiment_variants') }} as variants
        on exposed.experiment = variants.experiment and exposed.variant = variants.variant

),

interactions as (

    select
        event_date,
        event_ts,
        event_type,
        user_key,
        surface
    from {{ ref('fct_interactions') }}
    where
        (event_type = 'impression' or (event_type in ('click', 'purchase') and request_id is not null))
        and {{ is_to_be_replayed('event_date') }}
        and event_date >= (select min(exposures.exposed_on) from exposures)
        and event_date <= (select max(exposures.ends_on) from exposures)

),

user_days as (

    select
        exposures.experiment,
        exposures.variant,
        interactions.event_date,
        interactions.user_key,
        count(*) filter (where interactions.event_type = 'impression') as impressions,
        count(*) filter (where interactions.event_type = 'click') as clicks,
        count(*) filter (where interactions.event_type = 'purchase') as conversions
    from interactions
    inner join exposures
        on
            interactions.user_key = exposures.user_key
            and interactions.event_ts >= exposures.exposed_at
            and interactions.event_date between exposures.exposed_on and exposures.ends_on
            and coalesce(interactions.surface = exposures.surface, exposures.surface is null)
    group by exposures.experiment, exposures.variant, interactions.event_date, interactions.user_key

)

select * from user_days
