with source as (

    select * from {{ source('raw', 'interactions') }}

),

renamed as (

    select
        business_date,
        event_id,
        event_type,
        user_id,
        item_id,
        event_ts,
        quantity,
        price,
        value,
        session_id,
        surface,
        device,
        region,
        request_id,
        rank::integer as rank,
        context
    from source

)

select * from renamed
