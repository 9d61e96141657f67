{#- The date being built, as SQL: the var `partition_date`, else the latest date that has been loaded. -#}
{% macro partition_date() -%}
    {%- if var('partition_date', none) -%}
        {#- Quotes are doubled: whatever the var holds is one literal, and a date or an error. -#}
        date '{{ var("partition_date") | string | replace("'", "''") }}'
    {%- else -%}
        (select max(business_date) from {{ source('ops', 'loaded_dates') }})
    {%- endif -%}
{%- endmacro %}


{#- Whether a row's date is to be built now: on a first build everything known, later only the dates that
    changed. The dates are written out, so that PostgreSQL reads their partitions alone. -#}
{% macro is_to_be_built(date_column) -%}
    {%- if is_incremental() -%}
        {{ date_column }} in ({{ dates_to_build() }})
    {%- else -%}
        {{ is_known(date_column) }}
    {%- endif -%}
{%- endmacro %}


{#- Whether a row's date is part of what the warehouse holds when this build is done: no later date counts. -#}
{% macro is_known(date_column) -%}
    {{ date_column }} <= (select max(known_until) from {{ ref('int_dates_to_build') }})
{%- endmacro %}


{#- The dates of `int_dates_to_build`, as a list of SQL literals. -#}
{% macro dates_to_build() -%}
    {%- set query -%}
        select business_date from {{ ref('int_dates_to_build') }} order by business_date
    {%- endset -%}
    {%- set dates = run_query(query).columns[0].values() if execute else [] -%}
    {%- for day in dates -%} date '{{ day }}'{{ ', ' if not loop.last }} {%- else -%} null::date {%- endfor -%}
{%- endmacro %}


{#- Incremental strategy `replace_dates`: the dates being built are emptied and filled again, in one transaction.
    Unlike delete+insert it also empties a date whose rows have all vanished. The date column is `unique_key`. -#}
{% macro get_incremental_replace_dates_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where {{ arg_dict["unique_key"] }} in ({{ dates_to_build() }});

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}


{#- Stops a build of a date whose raw events retention has dropped, or of one before it: it would empty what it replaces. -#}
{% macro refuse_dropped_date() -%}
    {%- set query -%}
        select max(business_date) from {{ source('ops', 'dropped_partitions') }}
        where dataset = 'raw.interactions'
        having max(business_date) >= {{ partition_date() }}
    {%- endset -%}
    {%- set dropped = run_query(query).columns[0].values() if execute else [] -%}
    {%- if dropped | length -%}
        {{ exceptions.raise_compiler_error(
            "raw events up to " ~ dropped[0] ~ " were dropped by retention: no date up to then can be built again"
        ) }}
    {%- endif -%}
{%- endmacro %}
