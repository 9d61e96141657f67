with gaps as (
    select user_key, event_date, revenue, event_date - lag(event_date) over (partition by user_key order by event_date) as gap
    from marts.fct_user_days
    where baskets > 0
),
households as (
    select
        user_key, sum(revenue) as revenue, percentile_cont(0.5) within group (order by gap) as usual_gap,
        (select max(event_date) from marts.daily_kpis) - max(event_date) as silent_days
    from gaps
    group by user_key
    having count(gap) >= 5
),
judged as (
    select
        *,
        case when silent_days <= usual_gap then '1: on time' when silent_days <= 2 * usual_gap then '2: late'
             when silent_days <= 4 * usual_gap then '3: overdue' else '4: gone quiet' end as state
    from households
)
select
    state,
    count(*) as households,
    round(100.0 * count(*) / sum(count(*)) over (), 1) as share_pct,
    round(percentile_cont(0.5) within group (order by usual_gap)::numeric, 1) as median_usual_gap_days,
    round(percentile_cont(0.5) within group (order by silent_days)::numeric, 1) as median_silent_days,
    round(avg(revenue)) as revenue_per_household,
    round(100 * sum(revenue) / nullif(sum(sum(revenue)) over (), 0), 1) as revenue_pct
from judged
group by state
order by state
