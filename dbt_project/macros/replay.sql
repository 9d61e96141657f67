{#- The earliest date that this build changes, as a SQL literal; everything before it stays as it is. -#}
{% macro first_date_to_build() -%}
    {%- set query -%}
        select min(business_date), max(partition_date) from {{ ref('int_dates_to_build') }}
    {%- endset -%}
    {%- set first, build_of = run_query(query).rows[0].values() if execute else (none, none) -%}
    {%- set asked_for = var('partition_date', none) -%}
    {%- if build_of and asked_for and build_of | string != asked_for | string -%}
        {{ exceptions.raise_compiler_error(
            "the dates to build are those of " ~ build_of ~ ", not of " ~ asked_for
            ~ ": another build ran in between, start this one again from int_dates_to_build"
        ) }}
    {%- endif -%}
    date '{{ first or "infinity" }}'
{%- endmacro %}


{#- For models whose rows lean on earlier dates: on a first build everything known, later every date from the first
    one that changed. On an ordinary day that is the day itself. -#}
{% macro is_to_be_replayed(date_column) -%}
    {%- if is_incremental() -%}
        {{ date_column }} >= {{ first_date_to_build() }} and {{ is_known(date_column) }}
    {%- else -%}
        {{ is_known(date_column) }}
    {%- endif -%}
{%- endmacro %}


{#- Whether a row of `this` may count events of a date being built: its first and last date enclose one. -#}
{% macro may_change(relation) -%}
    {{ relation }}.last_date >= {{ first_date_to_build() }}
    and exists (
        select from {{ ref('int_dates_to_build') }} as changed
        where changed.business_date between {{ relation }}.first_date and {{ relation }}.last_date
    )
{%- endmacro %}


{#- Incremental strategy `replace_since`: rows that depend on the first date to build, or a later one, are replaced in
    one transaction. `meta.since` names the date columns that tell; rows with the key of a new row go as well. -#}
{% macro get_incremental_replace_since_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where {% for column in config.get('meta')['since'] -%}
        {{ column }} >= {{ first_date_to_build() }} {{ 'or ' if not loop.last }}
    {%- endfor %};

    {{ delete_by_key(arg_dict) }}

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}


{#- Incremental strategy `replace_keys`, for sums over all dates: the keys with events on a date being built, now or
    before, are replaced in one transaction. The model has columns `first_date` and `last_date`. -#}
{% macro get_incremental_replace_keys_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }} as old
    where {{ may_change('old') }};

    {{ delete_by_key(arg_dict) }}

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}


{% macro delete_by_key(arg_dict) -%}
    {%- set keys = arg_dict["unique_key"] -%}
    {%- set keys = [keys] if keys is string else keys %}
    delete from {{ arg_dict["target_relation"] }} as old
    using {{ arg_dict["temp_relation"] }} as new
    where {% for key in keys %}old.{{ key }} = new.{{ key }}{{ ' and ' if not loop.last }}{% endfor %};
{%- endmacro %}


{#- Incremental strategy `replace_months`: the month of the first date to build and all later ones are replaced, in one
    transaction. The model has a column `month`, a month's first day. -#}
{% macro get_incremental_replace_months_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where month >= date_trunc('month', {{ first_date_to_build() }});

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}


{#- Whether a date lies in a week that this build changes: the week of the first date to build, or a later one;
    with `weeks_before`, or as many weeks before. -#}
{% macro is_in_changed_weeks(date_column, weeks_before=0) -%}
    {%- if is_incremental() -%}
        {{ date_column }} >= date_trunc('week', {{ first_date_to_build() }})::date - {{ 7 * weeks_before }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#- Incremental strategy `replace_weeks`: the week of the first date to build and all later ones are replaced, in one
    transaction. The model has a column `week`, a week's Monday. -#}
{% macro get_incremental_replace_weeks_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where week >= date_trunc('week', {{ first_date_to_build() }});

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}
