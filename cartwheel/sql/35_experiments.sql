-- Experiments as `cartwheel experiments --apply` has written them: dbt puts users into variants with these two.

create table if not exists ops.experiment_variants (
    experiment text not null,
    variant text not null,
    is_control boolean not null,
    share double precision not null, -- of the users who take part
    first_bucket integer not null,
    until_bucket integer not null, -- one past the last
    starts_on date not null,
    ends_on date not null,
    surface text, -- null: everywhere
    uses jsonb not null,
    primary key (experiment, variant),
    check (0 <= first_bucket and first_bucket < until_bucket and until_bucket <= 10000)
);

-- What serving_export/experiments/assignment.py computes: the first 32 bits of the hash, modulo 10,000.
create or replace function ops.experiment_bucket(experiment text, user_key text) returns integer
language sql immutable strict parallel safe
begin atomic
select (
    ('x' || left(encode(sha256(convert_to(experiment || ':' || user_key, 'UTF8')), 'hex'), 8))::bit(32)::bigint % 10000
)::integer;
end;
