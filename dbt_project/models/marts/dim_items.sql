{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key=['item_id', 'valid_from'],
    meta={'since': ['valid_from', 'valid_to']}, on_schema_change='fail',
    indexes=[{'columns': ['item_id', 'valid_from'], 'unique': true}, {'columns': ['valid_from']}, {'columns': ['valid_to']}]
) }}

with delivered as (

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
        coalesce(available, true) as available,
        attributes
    from {{ ref('stg_items') }}
    where {{ is_to_be_replayed('business_date') }}

),

used as (

    select
        item_id,
        min(business_date) as valid_from
    from {{ ref('stg_interactions') }}
    where item_id is not null and {{ is_to_be_replayed('business_date') }}
    group by item_id

),

-- An item that people use before the shop lists it is known by its id alone.
unlisted as (

    select
        used.item_id,
        used.valid_from
    from used
    where
        not exists (
            select from delivered
            where delivered.item_id = used.item_id and delivered.valid_from <= used.valid_from
        )
        {% if is_incremental() %}
            and not exists (
                select from {{ this }} as known
                where known.item_id = used.item_id and known.valid_from < {{ first_date_to_build() }}
            )
        {% endif %}

),

versions as (

    select
        *,
        false as was_current
    from delivered
    union all
    select
        item_id,
        valid_from,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        true,
        null,
        false
    from unlisted
    {% if is_incremental() %}
        union all
        -- What held on the eve of the first date to build, of the items that may change.
        select
            item_id,
            valid_from,
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
            is_current
        from {{ this }}
        where
            valid_from < {{ first_date_to_build() }}
            and (
                valid_to >= {{ first_date_to_build() }}
                or (valid_to is null and item_id in (select delivered.item_id from delivered))
            )
    {% endif %}

),

as_rows as (

    select
        *,
        row(title, description, department, category, subcategory, brand, price, image_url, available, attributes) as known
    from versions

),

compared as (

    select
        *,
        lag(valid_from) over by_date as previous_from,
        lag(known) over by_date as previously_known
    from as_rows
    window by_date as (partition by item_id order by valid_from)

),

with_end as (

    select
        *,
        lead(valid_from) over (partition by item_id order by valid_from) as valid_to
    from compared
    where previous_from is null or previously_known is distinct from known

),

changed as (

    select
        item_id,
        valid_from,
        valid_to,
        valid_to is null as is_current,
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
    from with_end
    where not (was_current and valid_to is null)

)

select * from changed
