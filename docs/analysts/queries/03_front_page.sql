with item_weeks as (
    select
        item_id,
        case when mailer like 'front page%' then 'front page' when mailer is not null then 'elsewhere in the mailer'
             when is_promoted then 'display only' else 'none' end as promotion,
        case when promoted_regions >= 100 then '100 or more' when promoted_regions >= 50 then '50-99' else '1-49' end as stores,
        count(*) as weeks, sum(units) as units, sum(store_days) as store_days, sum(revenue)::float as revenue
    from marts.fct_item_weeks
    group by 1, 2, 3
),
usual as (  -- the same item's weeks without any promotion
    select item_id, units / store_days as rate, revenue / units as price
    from item_weeks
    where promotion = 'none' and weeks >= 8 and units > 0
),
folds as (  -- twenty groups of items: the lift is computed again without each, which tells how sure it is (jackknife)
    select promotion, stores, abs(hashtext(item_id)) % 20 as fold, count(*) as items, sum(weeks) as weeks, sum(units) as units,
           sum(rate * store_days) as expected, sum(revenue) as revenue, sum(units * price) as at_usual_price
    from item_weeks
    inner join usual using (item_id)
    where promotion <> 'none'
    group by promotion, stores, fold
),
left_out as (
    select *, (sum(units) over w - units) / nullif(sum(expected) over w - expected, 0) as lift_without
    from folds
    window w as (partition by promotion, stores)
)
select
    promotion, stores, sum(items) as items, sum(weeks) as item_weeks,
    round((sum(units) / sum(expected))::numeric, 2) as lift,
    round((1.96 * sqrt((count(*) - 1) * var_pop(lift_without)))::numeric, 2) as plus_minus,
    round((100 * (sum(revenue) / nullif(sum(at_usual_price), 0) - 1))::numeric) as price_change_pct
from left_out
group by promotion, stores
order by promotion, stores = '100 or more', stores
