with soonest as (  -- of each subcategory the item that half of its buyers or more come back for soonest
    select distinct on (subcategory) *
    from marts.repeat_purchase
    where buyers >= 100 and repeat_rate >= 0.5
    order by subcategory, median_gap_days, item_id
)
select
    item_id,
    title,
    buyers,
    round(100 * repeat_rate::numeric) as repeat_pct,
    round(median_gap_days::numeric, 1) as median_gap_days,
    round(100 * repeat_buyers_revenue / nullif(revenue, 0)) as revenue_from_repeaters_pct
from soonest
order by median_gap_days, item_id
limit 15
