{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key=['experiment', 'user_key'],
    meta={'since': ['exposed_on']}, on_schema_change='fail',
    indexes=[{'columns': ['experiment', 'user_key'], 'unique': true}, {'columns': ['exposed_on']}]
) }}

with variants as (

    select
        experiment,
        variant,
        first_bucket,
        until_bucket,
        starts_on,
        ends_on,
        surface
    from {{ source('ops', 'experiment_variants') }}

),

impressions as (

    select
        event_date,
        event_ts,
        event_id,
        user_key,
        surface,
        context
    from {{ ref('fct_interactions') }}
    where
        event_type = 'impression'
        and {{ is_to_be_replayed('event_date') }}
        and event_date between (select min(variants.starts_on) from variants) and (select max(variants.ends_on) from variants)

),

experiments as (

    select distinct experiment from variants

),

users as (

    select distinct user_key from impressions

),

-- Hashed once per user and experiment, not for every impression.
buckets as materialized (

    select
        experiments.experiment,
        users.user_key,
        ops.experiment_bucket(experiments.experiment, users.user_key) as bucket
    from experiments
    cross join users

),

seen as (

    select
        variants.experiment,
        variants.variant,
        impressions.user_key,
        impressions.event_date,
        impressions.event_ts,
        impressions.event_id,
        impressions.context #>> array['experiments', variants.experiment] as logged_variant
    from impressions
    inner join buckets on impressions.user_key = buckets.user_key
    inner join variants
        on
            buckets.experiment = variants.experiment
            and buckets.bucket >= variants.first_bucket
            and buckets.bucket < variants.until_bucket
            and impressions.event_date between variants.starts_on and variants.ends_on
            and coalesce(impressions.surface = variants.surface, variants.surface is null)
    {% if is_incremental() %}
        where not exists (
            select from {{ this }} as known
            where
                known.experiment = variants.experiment
                and known.user_key = impressions.user_key
                and known.exposed_on < {{ first_date_to_build() }}
        )
    {% endif %}

),

exposures as (

    select distinct on (experiment, user_key)
        experiment,
        user_key,
        variant,
        event_date as exposed_on,
        event_ts as exposed_at,
        logged_variant
    from seen
    order by experiment, user_key, event_date, event_ts, event_id

)

select * from exposures
