{{ config(materialized='view') }}

with results as (

    select
        experiment,
        event_date,
        metric,
        variant,
        is_primary,
        control_users,
        users,
        control_rate,
        rate,
        uplift,
        uplift_low,
        uplift_high,
        p,
        uplift_low_whenever,
        uplift_high_whenever,
        p_whenever,
        sample_ratio_p,
        mislabelled_users,
        required_users,
        verdict
    from {{ source('ops', 'experiment_results') }}

)

select * from results
