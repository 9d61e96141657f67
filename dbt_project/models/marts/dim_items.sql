{{ config(indexes=[{'columns': ['item_id'], 'unique': true}]) }}

with versions as (

    select * from {{ ref('int_item_versions') }}

),

current_items as (

    select
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
        attributes,
        valid_from
    from versions
    where valid_to is null

)

select * from current_items
