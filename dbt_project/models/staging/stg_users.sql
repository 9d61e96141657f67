with source as (

    select * from {{ source('raw', 'users') }}

),

renamed as (

    select
        business_date,
        user_id,
        age_band,
        gender,
        region,
        income_band,
        household_size,
        signup_ts,
        consent
    from source

)

select * from renamed
