with weeks as (
    select item_id, store_days, units, revenue, price_paid
    from marts.fct_item_weeks
    where not is_promoted
),
regular as (  -- items that sell nearly every week: a week without a sale has no price, and would be left out
    select item_id, sum(revenue)::float / nullif(sum(units), 0) as usual_price, sum(units) / sum(store_days) as usual_rate
    from weeks
    group by item_id
    having count(*) >= 26 and avg((units > 0)::int) >= 0.9 and sum(revenue)::float / nullif(sum(units), 0) >= 0.5
),
points as (
    select *, usual_rate * store_days as expected, price_paid / usual_price as of_usual
    from weeks
    inner join regular using (item_id)
    where units > 0
)
select
    case when of_usual < 0.75 then '1: more than 25 % below' when of_usual < 0.9 then '2: 10 to 25 % below'
         when of_usual <= 1.1 then '3: within 10 %' else '4: more than 10 % above' end as price,
    count(distinct item_id) as items,
    count(*) as item_weeks,
    round(sum(units)) as units,
    round(sum(expected)) as expected_units,
    round((sum(units) / sum(expected))::numeric, 2) as response,
    round((100 * (sum(revenue)::float / sum(expected * usual_price) - 1))::numeric) as revenue_change_pct
from points
group by 1
order by 1
