with weeks as (
    select
        department, category, revenue,
        ((select max(event_date) from marts.daily_kpis) - event_date) / 28 as ago  -- 0: the last four weeks; 1 to 3 before them
    from marts.category_performance
),
compared as (
    select
        department, category,
        sum(revenue) filter (where ago = 0) as last_4_weeks,
        sum(revenue) filter (where ago between 1 and 3) / 3 as usual_4_weeks
    from weeks
    where ago <= 3
    group by department, category
),
ranked as (
    select
        *, last_4_weeks / usual_4_weeks - 1 as growth,
        row_number() over (order by last_4_weeks - usual_4_weeks desc) as gain,
        row_number() over (order by last_4_weeks - usual_4_weeks) as loss
    from compared
    where last_4_weeks > 0 and usual_4_weeks > 0
)
select
    department, category, round(usual_4_weeks) as usual_4_weeks, round(last_4_weeks) as last_4_weeks,
    round(last_4_weeks - usual_4_weeks) as change, round(100 * growth) as change_pct
from ranked
where gain <= 8 or loss <= 8
order by last_4_weeks - usual_4_weeks desc
