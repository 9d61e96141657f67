-- What the platform remembers about its own work. Every statement can be run again.

create table if not exists ops.loaded_files (
    file_id bigint generated always as identity,
    key text primary key,
    etag text not null,
    dataset text not null,
    business_date date not null,
    bytes bigint not null,
    rows_read bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    duplicates bigint not null,
    loaded_at timestamptz not null default now(),
    check (rows_read = accepted + rejected + duplicates)
);
create index if not exists loaded_files_by_date on ops.loaded_files (business_date);

create table if not exists raw.rejected_rows (
    business_date date not null,
    dataset text not null,
    key text not null,
    line bigint not null,
    reason text not null,
    original text
);
create index if not exists rejected_rows_by_date on raw.rejected_rows (business_date, dataset);

-- A date is built when its marts and its lake export hold every file loaded up to last_file_id.
create table if not exists ops.built_dates (
    business_date date primary key,
    last_file_id bigint not null,
    built_at timestamptz not null default now()
);

create or replace view ops.pending_dates as
select
    loaded_files.business_date,
    max(loaded_files.file_id) as last_file_id
from ops.loaded_files
left join ops.built_dates using (business_date)
group by loaded_files.business_date, built_dates.last_file_id
having max(loaded_files.file_id) > coalesce(built_dates.last_file_id, 0);

create table if not exists ops.gate_results (
    gate text not null,
    business_date date not null,
    checked text not null,
    expectation text not null,
    level text not null check (level in ('fail', 'warn')),
    success boolean not null,
    observed text,
    checked_at timestamptz not null default now(),
    primary key (gate, business_date, checked, expectation)
);

-- user_key: HMAC-SHA256 of the user's id (RFC 2104) in the two hashes that definition gives. The padded
-- keys are stored so that the secret itself never stands in a statement, a log or a compiled model.
create table if not exists ops.user_key_pads (
    only_row boolean primary key default true check (only_row),
    inner_pad bytea not null,
    outer_pad bytea not null
);

create or replace function ops.user_key(user_id text) returns text
language sql stable parallel safe
begin atomic
select left(encode(sha256(outer_pad || sha256(inner_pad || convert_to(user_id, 'UTF8'))), 'hex'), 32)
from ops.user_key_pads;
end;
