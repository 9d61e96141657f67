{#- Stops a build that does not hold the lock of dbt builds: two at once would read each other's unfinished tables.
    What only reads, as `dbt source freshness`, needs none. -#}
{% macro refuse_without_lock() -%}
    {%- set query -%}
        select pid from pg_locks
        where
            locktype = 'advisory' and granted
            and pid = {{ env_var('CARTWHEEL_DBT_LOCK', '0') | int }}
            and classid = (hashtext('cartwheel.dbt')::bigint >> 32) & 4294967295
            and objid = hashtext('cartwheel.dbt')::bigint & 4294967295
    {%- endset -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'test', 'seed', 'snapshot', 'retry', 'clone'] and run_query(query) | length == 0 -%}
        {{ exceptions.raise_compiler_error(
            "this build does not hold the lock of dbt builds: run it as `python -m cartwheel.dbt`, which waits for other builds"
        ) }}
    {%- endif -%}
{%- endmacro %}
