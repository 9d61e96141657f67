-- Releases as they are served. A build is one load of a release; it is seen by readers once its status is 'ready',
-- and publishing the same release again makes a new build. Every statement can be run again.

create schema if not exists serving;

create sequence if not exists serving.build_number;

create table if not exists serving.builds (
    build_id text primary key, -- <release_id>.<number>
    release_id text not null,
    partition_date date not null,
    model_version text not null,
    status text not null check (status in ('loading', 'verified', 'ready', 'retired')),
    users bigint,
    rows bigint,
    checksum text,
    created_at timestamptz not null default now(),
    switched_at timestamptz, -- when it last became the served one
    served_until timestamptz -- when it last stopped being the served one
);
create unique index if not exists one_ready_build_per_release on serving.builds (release_id) where status = 'ready';

-- The truth about what is served.
create table if not exists serving.pointer (
    only_row boolean primary key default true check (only_row),
    build_id text not null references serving.builds
);

create table if not exists serving.release_events (
    event_id bigint generated always as identity primary key,
    happened_at timestamptz not null default now(),
    event text not null check (event in ('published', 'rolled_back', 'removed')),
    release_id text not null,
    build_id text not null,
    replaced_build_id text
);

-- One partition per build, dropped as a whole.
create table if not exists serving.lists (
    build_id text not null,
    user_id text not null,
    list text not null,
    rank integer not null,
    item_id text not null,
    score real not null,
    reason text not null
) partition by list (build_id);

-- What users without lists get: `all`, `<age_band>|<income_band>`, `<age_band>|*` and `*|<income_band>`.
create table if not exists serving.segment_lists (
    build_id text not null references serving.builds on delete cascade,
    segment text not null,
    rank integer not null,
    item_id text not null,
    score real not null,
    reason text not null,
    primary key (build_id, segment, rank)
);

-- The segment of every known user without lists.
create table if not exists serving.segment_members (
    build_id text not null references serving.builds on delete cascade,
    user_id text not null,
    segment text not null,
    primary key (build_id, user_id)
);

-- Titles of the items a build recommends.
create table if not exists serving.items (
    build_id text not null references serving.builds on delete cascade,
    item_id text not null,
    title text not null,
    primary key (build_id, item_id)
);

-- The promise to everyone else: these three views.
create or replace view serving.releases as
select
    builds.release_id,
    builds.partition_date,
    builds.model_version,
    case when pointer.build_id is null then 'loaded' else 'serving' end as status,
    builds.users,
    builds.rows,
    builds.checksum,
    builds.created_at,
    builds.switched_at,
    builds.build_id
from serving.builds
left join serving.pointer using (build_id)
where builds.status = 'ready';

create or replace view serving.recommendations as
select
    builds.release_id,
    lists.user_id,
    lists.list,
    lists.rank,
    lists.item_id,
    lists.score,
    lists.reason
from serving.lists
inner join serving.builds using (build_id)
where builds.status = 'ready';

create or replace view serving.current_recommendations as
select
    builds.release_id,
    lists.user_id,
    lists.list,
    lists.rank,
    lists.item_id,
    lists.score,
    lists.reason
from serving.lists
inner join serving.pointer using (build_id)
inner join serving.builds using (build_id);

grant usage on schema serving to cartwheel_api;
grant select on all tables in schema serving to cartwheel_api;
