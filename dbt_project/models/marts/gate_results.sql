{{ config(materialized='view') }}

with results as (

    select
        gate,
        business_date,
        checked,
        expectation,
        level,
        success,
        observed,
        checked_at
    from {{ source('ops', 'gate_results') }}

)

select * from results
