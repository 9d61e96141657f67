with release as (  -- the latest release of those that have been observed longest
    select release_id, partition_date as day
    from marts.recommendation_performance
    order by days_observed desc, partition_date desc
    limit 1
),
bought as (
    select user_key, item_id, sum(revenue) as revenue
    from marts.fct_interactions
    where event_type = 'purchase' and event_date > (select day from release) and event_date <= (select day + 7 from release)
    group by user_key, item_id
),
listed as (
    select user_key, item_id, array_agg(distinct list) as lists
    from marts.recommended_purchases
    where release_id = (select release_id from release) and days_after <= 7
    group by user_key, item_id
)
select
    case when first_purchase_date <= (select day from release) then 'bought before' else 'new to the household' end as item,
    count(*) as purchases,
    round(100.0 * count(*) filter (where 'for_you' = any(lists)) / count(*), 1) as in_for_you_pct,
    round(100.0 * count(*) filter (where 'buy_again' = any(lists)) / count(*), 1) as in_buy_again_pct,
    round(100.0 * count(*) filter (where 'discover' = any(lists)) / count(*), 1) as in_discover_pct,
    round(100 * sum(bought.revenue) filter (where lists is not null) / nullif(sum(bought.revenue), 0), 1) as revenue_listed_pct
from bought
left join listed using (user_key, item_id)
inner join marts.fct_user_item using (user_key, item_id)
group by 1
order by 1
