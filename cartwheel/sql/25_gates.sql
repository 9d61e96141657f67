-- What the quality gates remember beside their latest results. Every statement can be run again.

-- What to do when the expectation is not met.
alter table ops.gate_results add column if not exists advice text;

-- Every run of a gate, kept: the latest one's results are in ops.gate_results.
create table if not exists ops.gate_runs (
    run_id bigint generated always as identity primary key,
    gate text not null,
    business_date date not null,
    checked_at timestamptz not null,
    seconds double precision not null,
    expectations bigint not null,
    failed text[] not null, -- each failure as the message told it
    warned text[] not null,
    data_docs text not null -- key of the run's first page in the lake's bucket
);
create index if not exists gate_runs_by_date on ops.gate_runs (business_date, gate);

-- One column of one dataset on one date, small enough to compare a day with the weeks before it without reading them.
create table if not exists ops.daily_profiles (
    dataset text not null,
    business_date date not null,
    column_name text not null,
    rows bigint not null,
    nulls bigint not null,
    counts jsonb not null, -- rows by value, or by logarithmic bucket of a number; empty where only nulls are counted
    numbers boolean not null, -- whether counts are by bucket
    profiled_at timestamptz not null default now(),
    primary key (dataset, business_date, column_name)
);
