with baskets as (
    select started_at at time zone 'America/New_York' as started, revenue, items
    from marts.fct_sessions
    where is_basket
)
select
    extract(isodow from started)::int as weekday,
    to_char(started, 'FMDy') as day,
    extract(hour from started)::int as hour,
    count(*) as baskets,
    round(100.0 * count(*) / sum(count(*)) over (), 2) as share_pct,
    round(avg(revenue), 2) as mean_revenue,
    round(avg(items), 1) as mean_items
from baskets
group by 1, 2, 3
order by baskets desc, weekday, hour
