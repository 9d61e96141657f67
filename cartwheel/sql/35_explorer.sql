-- Who the explorer is: a role that reads the releases, the marts and what the gates found, and changes nothing.
-- Every statement can be run again.

do $$
begin
    if not exists (select from pg_roles where rolname = 'cartwheel_explorer') then
        create role cartwheel_explorer nologin;
    end if;
end
$$;

grant usage on schema serving, marts, ops to cartwheel_explorer;
grant select on serving.releases, serving.recommendations, serving.current_recommendations, serving.release_events,
serving.found_by to cartwheel_explorer;
grant select on all tables in schema marts to cartwheel_explorer;
alter default privileges in schema marts grant select on tables to cartwheel_explorer; -- dbt makes some of them anew
grant select on ops.gate_results, ops.gate_runs to cartwheel_explorer;

-- Users whose id begins with a text, in the order of their ids, so that a user of exactly that id comes first. It runs as
-- its owner: the role itself reads neither the table that ties ids to keys nor the secret of the keys.
-- Late-bound on purpose: dbt makes that table, and makes it anew on a full rebuild.
create or replace function ops.find_users(prefix text, wanted integer)
returns table (user_id text, user_key text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass('intermediate.int_user_keys') is not null then
        return query
        select keys.user_id, keys.user_key
        from intermediate.int_user_keys as keys
        where starts_with(keys.user_id, prefix)
        order by keys.user_id
        limit wanted;
    end if;
end
$$;
revoke all on function ops.find_users(text, integer) from public;
grant execute on function ops.find_users(text, integer) to cartwheel_explorer;
