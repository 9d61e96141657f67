with purchases as materialized (  -- of the last thirteen weeks, in the mailer or without any promotion
    select user_key, item_id, quantity, mailer is not null as in_mailer
    from marts.fct_interactions
    inner join marts.fct_item_weeks using (item_id)
    where
        event_type = 'purchase' and quantity > 0 and week = date_trunc('week', event_date)::date
        and event_date > (select max(event_date) - 91 from marts.daily_kpis)
        and week > (select max(event_date) - 98 from marts.daily_kpis) and (mailer is not null or not is_promoted)
),
usual as (  -- what people take of the item without a promotion
    select item_id, avg(quantity) as usual_quantity
    from purchases
    where not in_mailer
    group by item_id
),
households as (
    select user_key, count(*) filter (where in_mailer) as in_mailer,
           100 * (avg(quantity / usual_quantity) filter (where in_mailer)
                  - avg(quantity / usual_quantity) filter (where not in_mailer)) as more
    from purchases
    inner join usual using (item_id)
    group by user_key
)
select
    coalesce(household_size, 'not known') as household_size, count(*) as households, sum(in_mailer) as purchases_in_mailer,
    round(avg(more)::numeric, 1) as more_pct,
    round((1.96 * stddev(more) / sqrt(count(*)))::numeric, 1) as plus_minus,
    round(100 * avg((more > 25)::int)) as households_over_25_pct
from households
inner join marts.dim_users using (user_key)
where is_current and in_mailer >= 5 and more is not null
group by 1
order by 1
