{{ config(
    materialized='incremental', incremental_strategy='replace_weeks', unique_key=['item_id', 'week'],
    on_schema_change='fail', indexes=[{'columns': ['week']}, {'columns': ['item_id']}]
) }}

-- depends_on: {{ ref('int_dates_to_build') }}
with weeks as (

    select
        date_trunc('week', event_date)::date as week,
        count(*) as days,
        sum(greatest(regions, 1))::bigint as store_days
    from {{ ref('daily_kpis') }}
    where {{ is_in_changed_weeks('event_date') }}
    group by date_trunc('week', event_date)::date

),

sales as (

    select
        item_id,
        date_trunc('week', event_date)::date as week,
        sum(quantity::numeric) as units,
        sum(revenue) as revenue,
        count(*) as days_sold
    from {{ ref('fct_daily_item_sales') }}
    where {{ is_in_changed_weeks('event_date', weeks_before=4) }}
    group by item_id, date_trunc('week', event_date)::date

),

-- An item is on sale in the weeks in which it sells, and in the four weeks after each.
on_sale as (

    select distinct
        sales.item_id,
        weeks.week
    from sales
    inner join weeks on sales.week <= weeks.week and sales.week + 28 >= weeks.week

),

running as materialized (

    select landed_on from {{ ref('fct_item_promotions') }}
    where {{ is_in_changed_weeks('ends_on') }}

),

-- A promotion that was delivered again counts, from then on, as last delivered.
promotions as (

    select
        item_id,
        mailer,
        display,
        regions,
        landed_on,
        starts_on,
        ends_on,
        lead(landed_on) over (partition by item_id, starts_on, mailer, display order by landed_on) as replaced_on
    from {{ ref('fct_item_promotions') }}
    where
        item_id in (select on_sale.item_id from on_sale)
        and landed_on >= (select min(running.landed_on) from running)

),

promoted as (

    select
        promotions.item_id,
        weeks.week,
        {{ widest('promotions.mailer', 'promotions.regions') }} as mailer,
        {{ widest('promotions.display', 'promotions.regions') }} as display,
        max(promotions.regions) as promoted_regions
    from promotions
    inner join weeks
        on
            promotions.starts_on < weeks.week + 7
            and promotions.ends_on >= weeks.week
            and promotions.landed_on < weeks.week + 7
            and (promotions.replaced_on is null or promotions.replaced_on >= weeks.week + 7)
    group by promotions.item_id, weeks.week

),

item_weeks as (

    select
        on_sale.item_id,
        on_sale.week,
        weeks.days::integer as days,
        weeks.store_days,
        coalesce(sales.days_sold, 0)::integer as days_sold,
        coalesce(sales.units, 0)::double precision as units,
        coalesce(sales.revenue, 0)::numeric(18, 4) as revenue,
        (sales.revenue / nullif(sales.units, 0))::double precision as price_paid,
        promoted.item_id is not null as is_promoted,
        promoted.mailer,
        promoted.display,
        promoted.promoted_regions
    from on_sale
    inner join weeks on on_sale.week = weeks.week
    left join sales on on_sale.item_id = sales.item_id and on_sale.week = sales.week
    left join promoted on on_sale.item_id = promoted.item_id and on_sale.week = promoted.week

)

select * from item_weeks
