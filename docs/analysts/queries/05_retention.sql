with complete_months as (
    select cohort_month, months_since, cohort_users, round(100 * retention::numeric) as pct
    from marts.customer_cohorts
    where days >= 28
)
select
    to_char(cohort_month, 'YYYY-MM') as first_bought,
    max(cohort_users) as households,
    max(pct) filter (where months_since = 1) as month_1,
    max(pct) filter (where months_since = 2) as month_2,
    max(pct) filter (where months_since = 3) as month_3,
    max(pct) filter (where months_since = 4) as month_4,
    max(pct) filter (where months_since = 6) as month_6,
    max(pct) filter (where months_since = 8) as month_8,
    max(pct) filter (where months_since = 10) as month_10
from complete_months
group by cohort_month
having max(cohort_users) >= 10 and max(months_since) > 0
order by cohort_month
