{#- The columns together identify a row, checked for 100 items sold on the dates being built: a view that sums up the
    history is not summed up in full for its test. The items are written out, so that the view looks them up. -#}
{% test unique_for_some_items(model, columns) %}

    {%- set query -%}
        select distinct item_id from {{ ref('fct_daily_item_sales') }}
        where event_date in (select business_date from {{ ref('int_dates_to_build') }})
        order by item_id
        limit 100
    {%- endset -%}
    {%- set items = run_query(query).columns[0].values() if execute else [] %}

    select {{ columns | join(', ') }}, count(*) as rows_found
    from {{ model }}
    where item_id in ({% for item in items %}'{{ item | replace("'", "''") }}', {% endfor %}null)
    group by {{ columns | join(', ') }}
    having count(*) > 1

{% endtest %}
