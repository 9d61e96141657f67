{{ config(materialized='view') }}

with by_item as (

    select
        item_id,
        count(*) as buyers,
        count(*) filter (where purchase_days > 1) as repeat_buyers,
        sum(purchase_days)::bigint as purchase_days,
        percentile_cont(0.5) within group (order by gap_days) as median_gap_days,
        sum(revenue)::numeric(18, 4) as revenue,
        coalesce(sum(revenue) filter (where purchase_days > 1), 0)::numeric(18, 4) as repeat_buyers_revenue
    from {{ ref('fct_user_item') }}
    where purchase_days > 0
    group by item_id

),

described as (

    select
        by_item.item_id,
        items.title,
        items.department,
        items.category,
        items.subcategory,
        by_item.buyers,
        by_item.repeat_buyers,
        by_item.repeat_buyers::double precision / by_item.buyers as repeat_rate,
        by_item.purchase_days,
        by_item.median_gap_days,
        by_item.revenue,
        by_item.repeat_buyers_revenue
    from by_item
    inner join {{ ref('dim_items') }} as items on by_item.item_id = items.item_id and items.is_current

)

select * from described
