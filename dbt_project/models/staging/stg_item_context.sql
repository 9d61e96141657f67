with source as (

    select * from {{ source('raw', 'item_context') }}

),

renamed as (

    select
        business_date,
        item_id,
        starts_on,
        ends_on,
        mailer,
        display,
        regions::integer as regions
    from source

)

select * from renamed
