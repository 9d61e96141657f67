{{ config(indexes=[{'columns': ['item_id', 'valid_from'], 'unique': true}]) }}

with listed as (

    select * from {{ ref('stg_items') }}
    where {{ is_known('business_date') }}

),

first_listed as (

    select
        item_id,
        min(business_date) as first_date
    from listed
    group by item_id

),

first_used as (

    select
        item_id,
        min(business_date) as first_date
    from {{ ref('stg_interactions') }}
    where item_id is not null and {{ is_known('business_date') }}
    group by item_id

),

-- An item that people use before the shop lists it is known by its id alone.
unlisted as (

    select
        first_used.item_id,
        first_used.first_date
    from first_used
    left join first_listed on first_used.item_id = first_listed.item_id
    where first_listed.first_date is null or first_used.first_date < first_listed.first_date

),

versions as (

    select
        item_id,
        business_date as valid_from,
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
    from listed
    union all
    select
        item_id,
        first_date,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null
    from unlisted

),

with_end as (

    select
        item_id,
        valid_from,
        lead(valid_from) over (partition by item_id order by valid_from) as valid_to,
        title,
        description,
        department,
        category,
        subcategory,
        brand,
        price,
        image_url,
        coalesce(available, true) as available,
        attributes
    from versions

)

select * from with_end
