-- Marts of the first layout, without histories and sessions, make way: the next dbt build makes all of them from raw.

do $$
declare
    relation record;
begin
    if exists (select from pg_tables where schemaname = 'marts' and tablename = 'fct_interactions')
        and not exists (select from information_schema.columns
            where table_schema = 'marts' and table_name = 'fct_interactions' and column_name = 'session_key') then
        for relation in select tablename from pg_tables where schemaname = 'marts' loop
            execute format('drop table marts.%I cascade', relation.tablename);
        end loop;
    end if;
    drop table if exists intermediate.int_item_versions, intermediate.int_user_versions;
end
$$;
