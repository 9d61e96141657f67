-- What the platform remembers about its own work. Every statement can be run again.

-- Every file that has been read, by every source that reads it. A file that cannot be read has an error and no rows.
create table if not exists ops.loaded_files (
    file_id bigint generated always as identity,
    key text not null,
    etag text not null,
    source text not null,
    dataset text not null,
    business_date date, -- of the file's name or the mapping; null when the rows are dated one by one
    bytes bigint not null,
    rows_read bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    duplicates bigint not null,
    filtered bigint not null default 0, -- rows that the source leaves out; not part of rows_read
    error text,
    loaded_at timestamptz not null default now(),
    primary key (key, source),
    check (rows_read = accepted + rejected + duplicates)
);

-- The dates that a file's rows lie in, or have lain in (rows = 0). file_id is the load that last changed these rows.
create table if not exists ops.loaded_dates (
    dataset text not null,
    business_date date not null,
    key text not null,
    source text not null,
    file_id bigint not null,
    rows bigint not null,
    primary key (dataset, business_date, key, source)
);
create index if not exists loaded_dates_by_date on ops.loaded_dates (business_date);
create index if not exists loaded_dates_by_key on ops.loaded_dates (key);

create table if not exists raw.rejected_rows (
    business_date date, -- null when rows are dated one by one and this one's date cannot be read
    dataset text not null,
    key text not null,
    line bigint not null,
    reason text not null,
    original text
);
create index if not exists rejected_rows_by_date on raw.rejected_rows (business_date, dataset);
create index if not exists rejected_rows_by_key on raw.rejected_rows (key);

-- Every row whose key had been accepted before, and where: the first is the lowest by date, key and line.
create table if not exists raw.duplicate_rows (
    business_date date not null,
    dataset text not null,
    key text not null,
    line bigint not null,
    row_key text not null,
    first_business_date date not null,
    first_key text not null,
    first_line bigint not null
);
create index if not exists duplicate_rows_by_hash on raw.duplicate_rows using hash (row_key); -- keys may be long
create index if not exists duplicate_rows_by_key on raw.duplicate_rows (key);
create index if not exists duplicate_rows_by_first on raw.duplicate_rows (first_key);

-- An event is accepted once over all dates; here is where.
create table if not exists raw.interaction_ids (
    event_id text collate "C" primary key,
    business_date date not null,
    key text not null,
    line bigint not null
);

-- A database of an earlier layout takes on this one, once.
do $$
begin
    if not exists (select from information_schema.columns
        where table_schema = 'ops' and table_name = 'loaded_files' and column_name = 'source') then
        alter table ops.loaded_files
            add column source text,
            add column filtered bigint not null default 0,
            add column error text,
            alter column business_date drop not null;
        update ops.loaded_files set source = dataset;
        alter table ops.loaded_files
            alter column source set not null,
            drop constraint loaded_files_pkey,
            add primary key (key, source);
        insert into ops.loaded_dates (dataset, business_date, key, source, file_id, rows)
        select dataset, business_date, key, source, file_id, accepted from ops.loaded_files;

        insert into raw.interaction_ids (event_id, business_date, key, line)
        select distinct on (event_id collate "C") event_id, business_date, key, line
        from raw.interactions
        order by event_id collate "C", business_date, key collate "C", line;
        -- Files that hold an event of an earlier date again, or duplicates that were only counted, are loaded again.
        update ops.loaded_files set etag = 'to be loaded again'
        where duplicates > 0 or key in (
            select interactions.key
            from raw.interactions
            left join raw.interaction_ids using (event_id, business_date, key, line)
            where interaction_ids.event_id is null
        );
        alter table raw.rejected_rows alter column business_date drop not null;
        drop view if exists ops.pending_dates;
    end if;
end
$$;

-- A date is built when its marts and its lake export hold every file loaded up to last_file_id.
create table if not exists ops.built_dates (
    business_date date primary key,
    last_file_id bigint not null,
    built_at timestamptz not null default now()
);

create or replace view ops.pending_dates as
select
    loaded_dates.business_date,
    max(loaded_dates.file_id) as last_file_id
from ops.loaded_dates
left join ops.built_dates using (business_date)
where loaded_dates.business_date > ( -- up to there retention has dropped events: what the marts hold stays
    select coalesce(max(dropped.business_date), '-infinity') from ops.dropped_partitions as dropped
    where dropped.dataset = 'raw.interactions'
)
group by loaded_dates.business_date, built_dates.last_file_id
having max(loaded_dates.file_id) > coalesce(built_dates.last_file_id, 0);

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
