{{ config(indexes=[{'columns': ['user_key', 'valid_from'], 'unique': true}]) }}

with described as (

    select * from {{ ref('stg_users') }}
    where {{ is_known('business_date') }}

),

first_described as (

    select
        user_id,
        min(business_date) as first_date
    from described
    group by user_id

),

first_active as (

    select
        user_id,
        min(business_date) as first_date
    from {{ ref('stg_interactions') }}
    where {{ is_known('business_date') }}
    group by user_id

),

-- A user who acts before the shop describes them is known by the key alone.
undescribed as (

    select
        first_active.user_id,
        first_active.first_date
    from first_active
    left join first_described on first_active.user_id = first_described.user_id
    where first_described.first_date is null or first_active.first_date < first_described.first_date

),

versions as (

    select
        user_id,
        business_date as valid_from,
        age_band,
        gender,
        region,
        income_band,
        household_size,
        signup_ts,
        consent
    from described
    union all
    select
        user_id,
        first_date,
        null,
        null,
        null,
        null,
        null,
        null,
        null
    from undescribed

),

with_end as (

    select
        user_keys.user_key,
        versions.valid_from,
        lead(versions.valid_from) over (partition by versions.user_id order by versions.valid_from) as valid_to,
        versions.age_band,
        versions.gender,
        versions.region,
        versions.income_band,
        versions.household_size,
        versions.signup_ts,
        coalesce(versions.consent, true) as consent
    from versions
    inner join {{ ref('int_user_keys') }} as user_keys on versions.user_id = user_keys.user_id

)

select * from with_end
