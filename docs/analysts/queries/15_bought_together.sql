with contents as (
    select distinct sales.user_key, sales.session_key, items.category
    from marts.fct_interactions as sales
    inner join marts.dim_items as items on sales.item_id = items.item_id and items.is_current
    where sales.event_type = 'purchase' and sales.event_date > (select max(event_date) - 28 from marts.daily_kpis)
),
categories as (
    select category, count(*)::numeric as baskets
    from contents
    group by category
    having count(*) >= 100
),
pairs as (
    select a.category as category, b.category as with_category, count(*) as together
    from contents as a
    inner join contents as b on a.user_key = b.user_key and a.session_key = b.session_key and a.category < b.category
    group by a.category, b.category
    having count(*) >= 50
)
select
    pairs.category, pairs.with_category, pairs.together,
    round(100 * pairs.together / a.baskets, 1) as of_first_pct,
    round(100 * pairs.together / b.baskets, 1) as of_second_pct,
    round(pairs.together * (select count(distinct (user_key, session_key)) from contents) / a.baskets / b.baskets, 1) as lift
from pairs
inner join categories as a on pairs.category = a.category
inner join categories as b on pairs.with_category = b.category
order by lift desc, together desc, category, with_category
limit 15
