with user_days as (

    select
        *,
        min(event_date) over (partition by user_key) as first_date
    from {{ ref('fct_user_days') }}

),

by_user as (

    select
        event_date,
        count(*) as active_users,
        count(*) filter (where purchases > 0) as buyers,
        sum(baskets)::bigint as baskets,
        sum(quantity) as quantity,
        sum(revenue)::numeric(18, 4) as revenue,
        count(*) filter (where first_date = event_date) as new_users,
        count(*) filter (where first_date < event_date) as returning_users
    from user_days
    group by event_date

),

by_item as (

    select
        event_date,
        count(*) as items
    from {{ ref('fct_daily_item_sales') }}
    group by event_date

),

kpis as (

    select
        by_user.event_date,
        by_user.active_users,
        by_user.buyers,
        by_user.baskets,
        coalesce(by_item.items, 0) as items,
        by_user.quantity,
        by_user.revenue,
        by_user.new_users,
        by_user.returning_users
    from by_user
    left join by_item on by_user.event_date = by_item.event_date

)

select * from kpis
