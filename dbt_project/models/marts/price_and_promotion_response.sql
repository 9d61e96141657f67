{{ config(materialized='view') }}

with by_condition as (

    select
        item_id,
        is_promoted,
        mailer,
        display,
        round(price_paid::numeric, 1) as price_point,
        count(*) as weeks,
        sum(store_days)::bigint as store_days,
        sum(units::numeric) as units,
        sum(revenue) as revenue
    from {{ ref('fct_item_weeks') }}
    group by item_id, is_promoted, mailer, display, round(price_paid::numeric, 1)

),

with_usual as (

    select
        *,
        sum(units) filter (where not is_promoted) over by_item
        / nullif(sum(store_days) filter (where not is_promoted) over by_item, 0) as usual_units_per_store_day,
        sum(revenue) filter (where not is_promoted) over by_item
        / nullif(sum(units) filter (where not is_promoted) over by_item, 0) as usual_price
    from by_condition
    window by_item as (partition by item_id)

),

response as (

    select
        item_id,
        is_promoted,
        mailer,
        display,
        price_point::double precision as price_point,
        weeks,
        store_days,
        units::double precision as units,
        revenue::numeric(18, 4) as revenue,
        (units / store_days)::double precision as units_per_store_day,
        usual_units_per_store_day::double precision as usual_units_per_store_day,
        (usual_units_per_store_day * store_days)::double precision as expected_units,
        (units / nullif(usual_units_per_store_day * store_days, 0))::double precision as lift,
        usual_price::double precision as usual_price
    from with_usual

)

select * from response
