{{ config(materialized='incremental', incremental_strategy='append', indexes=[{'columns': ['user_id'], 'unique': true}]) }}

with seen as (

    select user_id from {{ ref('stg_interactions') }}
    where {{ is_to_be_built('business_date') }}
    union
    select user_id from {{ ref('stg_users') }}
    where {{ is_to_be_built('business_date') }}

),

new_users as (

    select user_id from seen
    {% if is_incremental() %}
        where not exists (
            select from {{ this }} as known
            where known.user_id = seen.user_id
        )
    {% endif %}

),

-- The hash is computed once per user, ever.
user_keys as (

    select
        user_id,
        ops.user_key(user_id) as user_key
    from new_users

)

select * from user_keys
