with spending as (
    select
        case when users.income_band in ('Under 15K', '15-24K', '25-34K') then 'under 35K'
             when users.income_band in ('35-49K', '50-74K') then '35-74K' else '75K and more' end as income,
        items.department, sum(bought.revenue) as revenue
    from marts.fct_user_item as bought
    inner join marts.dim_users as users on bought.user_key = users.user_key and users.is_current
    inner join marts.dim_items as items on bought.item_id = items.item_id and items.is_current
    where users.income_band is not null
    group by 1, 2
),
shares as (
    select *, 100 * revenue / nullif(sum(revenue) over (partition by income), 0) as pct
    from spending
)
select
    department,
    round(sum(revenue)) as revenue,
    round(max(pct) filter (where income = 'under 35K'), 2) as under_35k_pct,
    round(max(pct) filter (where income = '35-74K'), 2) as from_35k_to_74k_pct,
    round(max(pct) filter (where income = '75K and more'), 2) as from_75k_pct,
    round(max(pct) filter (where income = '75K and more')
          / nullif(max(pct) filter (where income = 'under 35K'), 0), 2) as high_to_low
from shares
group by department
having sum(revenue) >= 5000
order by high_to_low desc, department
