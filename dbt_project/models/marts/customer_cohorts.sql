{{ config(
    materialized='incremental', incremental_strategy='replace_months', unique_key=['cohort_month', 'month'],
    on_schema_change='fail', indexes=[{'columns': ['cohort_month', 'month'], 'unique': true}]
) }}

-- depends_on: {{ ref('int_dates_to_build') }}
-- A late date can only change months from its own on: users whose first purchase moves join or leave a cohort that
-- starts no earlier.
with user_days as (

    select
        *,
        date_trunc('month', event_date)::date as month
    from {{ ref('fct_user_days') }}
    {% if is_incremental() %}
        where event_date >= date_trunc('month', {{ first_date_to_build() }})
    {% endif %}

),

users as (

    select
        user_key,
        date_trunc('month', first_purchase_date)::date as cohort_month
    from {{ ref('user_first_dates') }}
    where first_purchase_date is not null

),

cohorts as (

    select
        cohort_month,
        count(*) as cohort_users
    from users
    group by cohort_month

),

months as (

    select
        month,
        count(distinct event_date) as days
    from user_days
    group by month

),

activity as (

    select
        users.cohort_month,
        user_days.month,
        count(distinct user_days.user_key) as active_users,
        count(distinct user_days.user_key) filter (where user_days.purchases > 0) as buyers,
        sum(user_days.baskets)::bigint as baskets,
        sum(user_days.revenue) as revenue
    from user_days
    inner join users on user_days.user_key = users.user_key
    group by users.cohort_month, user_days.month

),

cells as (

    select
        cohorts.cohort_month,
        months.month,
        (
            (extract(year from months.month) - extract(year from cohorts.cohort_month)) * 12
            + extract(month from months.month) - extract(month from cohorts.cohort_month)
        )::integer as months_since,
        months.days,
        cohorts.cohort_users,
        coalesce(activity.active_users, 0) as active_users,
        coalesce(activity.buyers, 0) as buyers,
        coalesce(activity.buyers, 0)::double precision / cohorts.cohort_users as retention,
        coalesce(activity.baskets, 0) as baskets,
        coalesce(activity.revenue, 0)::numeric(18, 4) as revenue
    from cohorts
    inner join months on cohorts.cohort_month <= months.month
    left join activity on cohorts.cohort_month = activity.cohort_month and months.month = activity.month

)

select * from cells
