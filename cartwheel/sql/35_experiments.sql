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

-- What the analysis of `serving_export.experiments` has found by the end of each date.
create table if not exists ops.experiment_results (
    experiment text not null,
    event_date date not null,
    metric text not null,
    variant text not null,
    is_primary boolean not null,
    control_users bigint not null,
    users bigint not null,
    control_rate double precision,
    rate double precision,
    uplift double precision,
    uplift_low double precision,
    uplift_high double precision,
    p double precision,
    uplift_low_whenever double precision,
    uplift_high_whenever double precision,
    p_whenever double precision,
    sample_ratio_p double precision not null,
    mislabelled_users bigint not null,
    required_users bigint,
    verdict text not null,
    primary key (experiment, event_date, metric, variant)
);
