{{ refuse_dropped_date() }}
with loaded as (

    select
        business_date,
        max(file_id) as last_file_id
    from {{ source('ops', 'loaded_dates') }}
    group by business_date

),

build as (

    select
        {{ partition_date() }} as partition_date,
        (select max(business_date) from {{ source('ops', 'built_dates') }}) as built_until

),

dates_to_build as (

    select
        loaded.business_date,
        loaded.last_file_id,
        build.partition_date,
        greatest(build.partition_date, build.built_until) as known_until
    from loaded
    cross join build
    left join {{ source('ops', 'pending_dates') }} as pending on loaded.business_date = pending.business_date
    where
        loaded.business_date = build.partition_date
        or (loaded.business_date < build.partition_date and pending.business_date is not null)

)

select * from dates_to_build
