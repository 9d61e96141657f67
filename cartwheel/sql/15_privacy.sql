-- Who was erased, what that removed, and which partitions are past their age. Every statement can be run again.

-- Asked by every ingest: rows of these users are rejected, so that a file cannot bring a person back.
create table if not exists ops.erased_users (
    user_key text primary key,
    erased_at timestamptz not null default now()
);

-- One row per erasure; it knows the person by the keyed hash alone.
create table if not exists ops.erasures (
    erasure_id bigint generated always as identity primary key,
    user_key text not null,
    requested_by text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz, -- null: it was cut off, or the search still finds the person; run it again
    rows jsonb not null default '{}', -- rows by place, as they were before anything was removed
    landed_files jsonb not null default '{}', -- the shop's files with the person's rows, and how many
    remaining jsonb -- rows by place that the search found when all was done: {} when the person is gone
);

-- Partitions that retention has removed. No date up to the last one of raw.interactions is built again.
create table if not exists ops.dropped_partitions (
    dataset text not null, -- raw.interactions, or a dataset of the lake
    business_date date not null,
    rows bigint, -- null for a dataset of the lake
    run_date date not null,
    dropped_at timestamptz not null default now(),
    primary key (dataset, business_date)
);
