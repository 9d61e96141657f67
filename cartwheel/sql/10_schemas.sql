-- The warehouse's schemas and who may read them. Every statement can be run again.

do $$
begin
    if not exists (select from pg_roles where rolname = 'analyst') then
        create role analyst nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'cartwheel_api') then
        create role cartwheel_api nologin;
    end if;
end
$$;

create schema if not exists raw;
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists marts;
create schema if not exists serving;
create schema if not exists ops;

grant usage on schema marts to analyst;
grant select on all tables in schema marts to analyst;
alter default privileges in schema marts grant select on tables to analyst;

grant usage on schema serving to cartwheel_api;
grant select on all tables in schema serving to cartwheel_api;
alter default privileges in schema serving grant select on tables to cartwheel_api;
