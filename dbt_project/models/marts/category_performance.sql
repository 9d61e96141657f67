{{ config(
    materialized='incremental', incremental_strategy='replace_since', unique_key='event_date',
    meta={'since': ['event_date']}, on_schema_change='fail', indexes=[{'columns': ['event_date']}]
) }}

-- The category is the one that the item had on the date of the sale.
with purchases as (

    select
        interactions.event_date,
        coalesce(items.department, 'unknown') as department,
        coalesce(items.category, 'unknown') as category,
        interactions.user_key,
        interactions.session_key,
        interactions.item_id,
        interactions.quantity,
        interactions.revenue
    from {{ ref('fct_interactions') }} as interactions
    inner join {{ ref('dim_items') }} as items
        on
            interactions.item_id = items.item_id
            and interactions.event_date >= items.valid_from
            and (items.valid_to is null or interactions.event_date < items.valid_to)
    where interactions.event_type = 'purchase' and {{ is_to_be_replayed('interactions.event_date') }}

),

sales as (

    select
        event_date,
        department,
        category,
        sum(revenue)::numeric(18, 4) as revenue,
        coalesce(sum(quantity::numeric), 0)::double precision as quantity,
        count(distinct user_key) as buyers,
        count(distinct row(user_key, session_key)) as baskets,
        count(distinct item_id) as items
    from purchases
    group by event_date, department, category

),

-- The four same weekdays before: either already in the table, or being built with the date.
earlier as (

    select
        event_date,
        department,
        category,
        revenue
    from sales
    {% if is_incremental() %}
        union all
        select
            event_date,
            department,
            category,
            revenue
        from {{ this }}
        where event_date >= {{ first_date_to_build() }} - 28 and event_date < {{ first_date_to_build() }}
    {% endif %}

),

four_weeks as (

    select
        sales.event_date,
        sales.department,
        sales.category,
        sum(earlier.revenue) / 4 as mean_revenue
    from sales
    inner join earlier
        on
            sales.department = earlier.department
            and sales.category = earlier.category
            and earlier.event_date in (
                sales.event_date - 7, sales.event_date - 14, sales.event_date - 21, sales.event_date - 28
            )
    group by sales.event_date, sales.department, sales.category

),

opening as (

    select min(event_date) as first_date from {{ ref('daily_kpis') }}

),

performance as (

    select
        sales.event_date,
        sales.department,
        sales.category,
        sales.revenue,
        sales.quantity,
        sales.buyers,
        sales.baskets,
        sales.items,
        (sales.revenue / nullif(sum(sales.revenue) over (partition by sales.event_date), 0))::double precision as revenue_share,
        case
            when sales.event_date >= opening.first_date + 28 then coalesce(four_weeks.mean_revenue, 0)
        end::numeric(18, 4) as revenue_4_weeks_mean,
        case
            when sales.event_date >= opening.first_date + 28 then sales.revenue / nullif(four_weeks.mean_revenue, 0)
        end::double precision as revenue_vs_4_weeks
    from sales
    cross join opening
    left join four_weeks
        on
            sales.event_date = four_weeks.event_date
            and sales.department = four_weeks.department
            and sales.category = four_weeks.category

)

select * from performance
