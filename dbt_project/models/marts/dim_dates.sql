with bounds as (

    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from {{ source('ops', 'loaded_dates') }}

),

-- Whole years, so that weeks and seasons at either end are complete.
days as (

    select each::date as date
    from bounds
    cross join
        generate_series(
            date_trunc('year', first_date), date_trunc('year', last_date) + interval '1 year - 1 day', interval '1 day'
        ) as each

),

parts as (

    select
        date,
        extract(isodow from date)::integer as weekday,
        extract(month from date)::integer as month_number,
        extract(day from date)::integer as day_of_month,
        extract(year from date)::integer as year,
        extract(day from date + 7)::integer <= 7 as is_last_of_its_weekday
    from days

),

named as (

    select
        date,
        year,
        extract(quarter from date)::integer as quarter,
        month_number,
        to_char(date, 'FMMonth') as month_name,
        date_trunc('month', date)::date as month,
        date_trunc('week', date)::date as week,
        extract(isoyear from date)::integer as iso_year,
        extract(week from date)::integer as iso_week,
        weekday,
        to_char(date, 'FMDay') as weekday_name,
        day_of_month,
        weekday >= 6 as is_weekend,
        case
            when month_number in (12, 1, 2) then 'winter'
            when month_number in (3, 4, 5) then 'spring'
            when month_number in (6, 7, 8) then 'summer'
            else 'autumn'
        end as season,
        {{ holiday() }} as holiday
    from parts

)

select * from named
