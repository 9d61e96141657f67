{#- Each key has exactly one current version. It reads the newest versions alone, not the history. -#}
{% test one_current_version(model, key) %}

    select {{ key }}, count(*) as rows_found
    from {{ model }}
    where valid_to is null
    group by {{ key }}
    having count(*) <> 1 or not bool_and(is_current)

{% endtest %}
