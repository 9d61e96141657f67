{{ config(
    materialized='incremental', incremental_strategy='replace_dates', unique_key='landed_on',
    on_schema_change='fail', indexes=[{'columns': ['landed_on']}, {'columns': ['ends_on']}]
) }}

with landed as (

    select * from {{ ref('stg_item_context') }}
    where {{ is_to_be_built('business_date') }}

),

promotions as (

    select
        business_date as landed_on,
        item_id,
        starts_on,
        ends_on,
        mailer,
        display,
        regions
    from landed

)

select * from promotions
