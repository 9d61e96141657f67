{#- Of several placements, the one in most regions; nulls do not count. -#}
{% macro widest(placement, regions) -%}
    (array_agg({{ placement }} order by {{ regions }} desc nulls last, {{ placement }}) filter (where {{ placement }} is not null))[1]
{%- endmacro %}


{#- The value of the first row of a group that has one, in the order of its events. -#}
{% macro first_known(column) -%}
    (array_agg({{ column }} order by event_ts, event_id) filter (where {{ column }} is not null))[1]
{%- endmacro %}
