{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key=['user_key', 'valid_from'],
    meta={'since': ['valid_from', 'valid_to']}, on_schema_change='fail',
    indexes=[{'columns': ['user_key', 'valid_from'], 'unique': true}, {'columns': ['valid_from']}, {'columns': ['valid_to']}]
) }}

with user_keys as (

    select * from {{ ref('int_user_keys') }}

),

described as (

    select
        user_keys.user_key,
        users.business_date as valid_from,
        users.age_band,
        users.gender,
        users.region,
        users.income_band,
        users.household_size,
        users.signup_ts,
        coalesce(users.consent, true) as consent
    from {{ ref('stg_users') }} as users
    inner join user_keys on users.user_id = user_keys.user_id
    where {{ is_to_be_replayed('users.business_date') }}

),

active as (

    select
        user_id,
        min(business_date) as valid_from
    from {{ ref('stg_interactions') }}
    where {{ is_to_be_replayed('business_date') }}
    group by user_id

),

-- A user who acts before the shop describes them is known by the key alone.
undescribed as (

    select
        user_keys.user_key,
        active.valid_from
    from active
    inner join user_keys on active.user_id = user_keys.user_id
    where
        not exists (
            select from described
            where described.user_key = user_keys.user_key and described.valid_from <= active.valid_from
        )
        {% if is_incremental() %}
            and not exists (
                select from {{ this }} as known
                where known.user_key = user_keys.user_key and known.valid_from < {{ first_date_to_build() }}
            )
        {% endif %}

),

versions as (

    select
        *,
        false as was_current
    from described
    union all
    select
        user_key,
        valid_from,
        null,
        null,
        null,
        null,
        null,
        null,
        true,
        false
    from undescribed
    {% if is_incremental() %}
        union all
        -- What held on the eve of the first date to build, of the users who may change.
        select
            user_key,
            valid_from,
            age_band,
            gender,
            region,
            income_band,
            household_size,
            signup_ts,
            consent,
            is_current
        from {{ this }}
        where
            valid_from < {{ first_date_to_build() }}
            and (
                valid_to >= {{ first_date_to_build() }}
                or (valid_to is null and user_key in (select described.user_key from described))
            )
    {% endif %}

),

as_rows as (

    select
        *,
        row(age_band, gender, region, income_band, household_size, signup_ts, consent) as known
    from versions

),

compared as (

    select
        *,
        lag(valid_from) over by_date as previous_from,
        lag(known) over by_date as previously_known
    from as_rows
    window by_date as (partition by user_key order by valid_from)

),

with_end as (

    select
        *,
        lead(valid_from) over (partition by user_key order by valid_from) as valid_to
    from compared
    where previous_from is null or previously_known is distinct from known

),

changed as (

    select
        user_key,
        valid_from,
        valid_to,
        valid_to is null as is_current,
        age_band,
        gender,
        region,
        income_band,
        household_size,
        signup_ts,
        consent
    from with_end
    where not (was_current and valid_to is null)

)

select * from changed
