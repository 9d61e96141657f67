{#- Why an item was recommended, without the names of items and departments in the reason shown. -#}
{% macro reason_kind(reason) -%}
    case
        when {{ reason }} like 'Buy again%' then 'Buy again'
        when {{ reason }} like 'Because you bought%' then 'Because you bought'
        when {{ reason }} like 'Popular%' then 'Popular'
        when {{ reason }} like 'Shoppers like you%' then 'Shoppers like you'
        else 'Other'
    end
{%- endmacro %}


{% macro rank_band(rank) -%}
    case
        when {{ rank }} <= 5 then '01-05'
        when {{ rank }} <= 10 then '06-10'
        when {{ rank }} <= 20 then '11-20'
        when {{ rank }} <= 50 then '21-50'
        else '51+'
    end
{%- endmacro %}


{#- The loads that the table being built has not counted yet, as a list of SQL literals. -#}
{% macro builds_to_count() -%}
    {%- set query -%}
        select build_id from {{ source('serving', 'releases') }}
        {%- if is_incremental() %} where build_id not in (select build_id from {{ this }}){% endif %}
    {%- endset -%}
    {%- set builds = run_query(query).columns[0].values() if execute else [] -%}
    {%- for build in builds -%} '{{ build }}', {% endfor -%} null
{%- endmacro %}
