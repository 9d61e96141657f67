with new_items as (  -- first sold with thirteen weeks of silence before, and thirteen to look at from then on
    select item_id, min(event_date) as first_date
    from marts.fct_daily_item_sales
    group by item_id
    having min(event_date) > (select min(event_date) + 91 from marts.daily_kpis)
       and min(event_date) <= (select max(event_date) - 91 from marts.daily_kpis)
),
by_item as (
    select
        item_id, sum(buyers) filter (where event_date < first_date + 7) as first_week_buyers,
        bool_or(event_date between first_date + 7 and first_date + 27)::int as sold_soon,
        bool_or(event_date between first_date + 63 and first_date + 90)::int as sold_late,
        coalesce(sum(revenue) filter (where event_date between first_date + 7 and first_date + 90), 0) as later_revenue
    from marts.fct_daily_item_sales
    inner join new_items using (item_id)
    group by item_id
)
select
    case when first_week_buyers >= 10 then '10 or more' when first_week_buyers >= 5 then '5-9'
         when first_week_buyers >= 2 then '2-4' else '1' end as first_week_buyers,
    count(*) as items,
    round(100 * avg(sold_soon)) as sold_in_weeks_2_to_4_pct,
    round(100 * avg(sold_late)) as sold_in_weeks_10_to_13_pct,
    round(196 * stddev(sold_late) / sqrt(count(*))) as plus_minus,
    round(avg(later_revenue), 2) as revenue_weeks_2_to_13
from by_item
group by 1
order by min(by_item.first_week_buyers)
