{#- The name of a date's public holiday, or null: a SQL expression over weekday (1 is Monday), month_number, day_of_month,
    year and is_last_of_its_weekday. The var `holidays` names the country: `us`, or `none`. -#}
{% macro holiday() -%}
    {%- if var('holidays', 'none') == 'us' -%}
        case
            when month_number = 1 and day_of_month = 1 then 'New Year''s Day'
            when month_number = 1 and weekday = 1 and day_of_month between 15 and 21 then 'Martin Luther King Jr. Day'
            when month_number = 2 and weekday = 1 and day_of_month between 15 and 21 then 'Washington''s Birthday'
            when month_number = 5 and weekday = 1 and is_last_of_its_weekday then 'Memorial Day'
            when month_number = 6 and day_of_month = 19 and year >= 2021 then 'Juneteenth'
            when month_number = 7 and day_of_month = 4 then 'Independence Day'
            when month_number = 9 and weekday = 1 and day_of_month <= 7 then 'Labor Day'
            when month_number = 10 and weekday = 1 and day_of_month between 8 and 14 then 'Columbus Day'
            when month_number = 11 and day_of_month = 11 then 'Veterans Day'
            when month_number = 11 and weekday = 4 and day_of_month between 22 and 28 then 'Thanksgiving'
            when month_number = 12 and day_of_month = 25 then 'Christmas Day'
        end
    {%- elif var('holidays', 'none') == 'none' -%}
        null::text
    {%- else -%}
        the_var_holidays_can_be_us_or_none
    {%- endif -%}
{%- endmacro %}
