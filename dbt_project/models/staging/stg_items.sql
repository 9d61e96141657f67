with source as (

    select * from {{ source('raw', 'items') }}

),

renamed as (

    select
        business_date,
        item_id,
        title,
        description,
        department,
        category,
        subcategory,
        brand,
        price,
        image_url,
        available,
        attributes
    from source

)

select * from renamed
