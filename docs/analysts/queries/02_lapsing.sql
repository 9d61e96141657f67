with purchases as (
    select user_key, item_id, (newest.day - event_date) / 56 as block  -- eight weeks each: 2, then 1, then 0, the newest
    from marts.fct_interactions
    cross join (select max(event_date) as day from marts.daily_kpis) as newest
    where event_type = 'purchase' and event_date > newest.day - 168
),
households as (  -- a household lapses if it buys less than a quarter of what it bought sixteen weeks ago
    select user_key, count(*) filter (where block = 0) < 0.25 * count(*) filter (where block = 2) as lapses
    from purchases
    group by user_key
    having count(*) filter (where block = 2) >= 40 and count(*) filter (where block = 1) > 0
),
habits as (  -- who of a category's buyers left it while the household was still there?
    select user_key, items.category, (not bool_or(block = 1))::int as has_left
    from purchases
    inner join marts.dim_items as items on purchases.item_id = items.item_id and items.is_current
    where block > 0
    group by user_key, items.category
    having bool_or(block = 2)
)
select
    category,
    count(*) filter (where lapses) as lapsing_buyers,
    round(100 * avg(has_left) filter (where lapses)) as lapsing_left_pct,
    round(196 * stddev(has_left) filter (where lapses) / sqrt(count(*) filter (where lapses))) as plus_minus,
    round(100 * avg(has_left) filter (where not lapses)) as others_left_pct,
    round(100 * (avg(has_left) filter (where lapses) - avg(has_left) filter (where not lapses))) as difference
from habits
inner join households using (user_key)
group by category
having count(*) filter (where lapses) >= 40
order by difference desc, category
