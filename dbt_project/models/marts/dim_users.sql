{{ config(indexes=[{'columns': ['user_key'], 'unique': true}]) }}

with versions as (

    select * from {{ ref('int_user_versions') }}

),

current_users as (

    select
        user_key,
        age_band,
        gender,
        region,
        income_band,
        household_size,
        signup_ts,
        consent,
        valid_from
    from versions
    where valid_to is null

)

select * from current_users
