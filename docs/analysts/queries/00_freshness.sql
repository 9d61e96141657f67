with newest as (
    select max(event_date) as newest_date, count(*) as dates, round(sum(revenue)) as revenue
    from marts.daily_kpis
),
gates as (
    select
        gate,
        max(business_date) as last_run_for,
        count(*) as checks,
        count(*) filter (where success) as passed,
        count(*) filter (where not success and level = 'fail') as failed,
        count(*) filter (where not success and level = 'warn') as warned
    from marts.gate_results as results
    where business_date = (select max(business_date) from marts.gate_results where gate = results.gate)
    group by gate
)
select newest.newest_date, newest.dates, gates.*
from newest
left join gates on true
order by gates.gate
