with households as (
    select user_key, sum(revenue) as revenue, sum(baskets) as baskets
    from marts.fct_user_days
    group by user_key
    having sum(revenue) > 0
),
tenths as (
    select *, ntile(10) over (order by revenue desc, user_key) as tenth
    from households
)
select
    tenth,
    count(*) as households,
    round(avg(revenue)) as revenue_per_household,
    round(avg(baskets), 1) as baskets_per_household,
    round(100 * sum(revenue) / sum(sum(revenue)) over (), 1) as share_pct,
    round(100 * sum(sum(revenue)) over (order by tenth) / sum(sum(revenue)) over (), 1) as cumulative_pct
from tenths
group by tenth
order by tenth
