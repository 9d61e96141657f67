-- Releases as they are served. A build is one load of a release; it is seen by readers once its status is 'ready',
-- and publishing the same release again makes a new build. A layer is a build with the new lists of a few users, which lies
-- over the build that it names, another layer or a whole build: readers see of each user what the topmost that knows the user
-- holds. Every statement can be run again.

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
alter table serving.builds add column if not exists base_build_id text references serving.builds; -- of a layer: the build right below
alter table serving.builds add column if not exists last_file_id bigint; -- of a layer: the last file that its lists know of
drop index if exists serving.one_ready_build_per_release;
create unique index if not exists one_ready_whole_build_per_release on serving.builds (release_id)
where status = 'ready' and base_build_id is null;
create unique index if not exists one_ready_layer_per_build on serving.builds (base_build_id) where status = 'ready';

-- The truth about what is served.
create table if not exists serving.pointer (
    only_row boolean primary key default true check (only_row),
    build_id text not null references serving.builds
);

-- Each build with itself, at depth 0, and with all that it lies over, the whole build deepest.
create or replace view serving.stacks as
with recursive stacks (build_id, part_id, depth) as (
    select
        build_id,
        build_id,
        0
    from serving.builds
    union all
    select
        stacks.build_id,
        builds.base_build_id,
        stacks.depth + 1
    from stacks
    inner join serving.builds on stacks.part_id = builds.build_id
    where builds.base_build_id is not null
)

select
    build_id,
    part_id,
    depth
from stacks;

-- The build that the pointer names, and all below it. Materialized, or lists would be joined with every stack they are in.
create or replace view serving.served_builds as
with served as materialized (
    select
        stacks.part_id as build_id,
        stacks.depth
    from serving.pointer
    inner join serving.stacks using (build_id)
)

select
    build_id,
    depth
from served;

create table if not exists serving.release_events (
    event_id bigint generated always as identity primary key,
    happened_at timestamptz not null default now(),
    event text not null check (event in ('published', 'rolled_back', 'removed')),
    release_id text not null,
    build_id text not null,
    replaced_build_id text
);
alter table serving.release_events add column if not exists requested_by text; -- of a rollback: who, and why
alter table serving.release_events add column if not exists reason text;
do $$
begin
    if not exists (
        select from pg_constraint where conname = 'event_is_known' and conrelid = to_regclass('serving.release_events')
    ) then
        alter table serving.release_events
            drop constraint if exists release_events_event_check,
            add constraint event_is_known check (event in ('published', 'refreshed', 'rolled_back', 'removed'));
    end if;
end
$$;

-- One partition per build, dropped as a whole. A row holds a list, best item first: fifty times fewer rows to load,
-- index and keep than one for each item. The view `lists` shows the items.
create table if not exists serving.user_lists (
    build_id text not null,
    user_id text not null,
    list text not null,
    item_ids text[] not null,
    scores real[] not null,
    reasons text[] not null
) partition by list (build_id);

-- Before, a row held one item. What such a warehouse has loaded is turned into lists, once.
do $$
declare
    loaded text;
    columns constant text := 'coalesce(array_agg(item_id order by rank) filter (where rank is not null), ''{}''),'
        ' coalesce(array_agg(score order by rank) filter (where rank is not null), ''{}''),'
        ' coalesce(array_agg(reason order by rank) filter (where rank is not null), ''{}'')';
    of_users constant text := 'select build_id, user_id, list, ' || columns || ' from (select distinct build_id, user_id'
        ' from serving.lists where build_id = %2$L) as users cross join (values (''buy_again''), (''discover''), (''for_you''))'
        ' as kinds (list) left join serving.lists using (build_id, user_id, list) group by build_id, user_id, list';
begin
    if not exists (select from pg_class where oid = to_regclass('serving.lists') and relkind = 'p') then
        return;
    end if;
    for loaded in select build_id from serving.builds loop
        execute format('create table serving.%1$I partition of serving.user_lists for values in (%2$L)',
            'user_lists_' || regexp_replace(loaded, '\W', '_', 'g'), loaded);
        execute format('insert into serving.%1$I ' || of_users, 'user_lists_' || regexp_replace(loaded, '\W', '_', 'g'), loaded);
        execute format('create unique index on serving.%1$I (user_id, list)',
            'user_lists_' || regexp_replace(loaded, '\W', '_', 'g'));
    end loop;
    drop view serving.recommendations, serving.current_recommendations;
    drop table serving.lists;
    create temp table popular on commit drop as table serving.segment_lists;
    drop table serving.segment_lists;
    create table serving.segment_lists (
        build_id text not null references serving.builds on delete cascade,
        segment text not null,
        item_ids text[] not null,
        scores real[] not null,
        reasons text[] not null,
        primary key (build_id, segment)
    );
    execute 'insert into serving.segment_lists select build_id, segment, ' || columns || ' from popular group by build_id, segment';
end
$$;

-- What users without lists get: `all`, `<age_band>|<income_band>`, `<age_band>|*` and `*|<income_band>`.
create table if not exists serving.segment_lists (
    build_id text not null references serving.builds on delete cascade,
    segment text not null,
    item_ids text[] not null,
    scores real[] not null,
    reasons text[] not null,
    primary key (build_id, segment)
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

-- What a build holds beside its lists: of the items that it shows, the similar ones and what a context is told.
create table if not exists serving.beside (
    build_id text not null references serving.builds on delete cascade,
    kind text not null,
    name text not null,
    payload bytea not null,
    primary key (build_id, kind, name)
);

-- Which candidate sources found the items that a build lists for a user, with commas; empty: the ranker itself, or the shop.
-- For people who look into a release: no reader of lists needs it, and it is no part of the checksum.
create table if not exists serving.found_by (
    build_id text not null references serving.builds on delete cascade,
    user_id text not null,
    item_ids text[] not null,
    sources text[] not null,
    primary key (build_id, user_id)
);

-- The lists of every build, ready or not: one row per build, user, list and rank.
create or replace view serving.lists as
select
    user_lists.build_id,
    user_lists.user_id,
    user_lists.list,
    item.rank::integer as rank,
    item.item_id,
    item.score,
    item.reason
from serving.user_lists
cross join lateral unnest(user_lists.item_ids, user_lists.scores, user_lists.reasons)
    with ordinality as item (item_id, score, reason, rank);

-- The lists that readers see, or would after a rollback: those of the layers that are served, and of whole builds the others.
create or replace view serving.shown_lists as
select
    builds.release_id,
    served.build_id is not null as is_served,
    user_lists.*
from serving.user_lists
inner join serving.builds using (build_id)
left join serving.served_builds as served using (build_id)
where
    builds.status = 'ready'
    and (builds.base_build_id is null or served.build_id is not null)
    and not exists (
        select from serving.served_builds as above
        inner join serving.builds as layer using (build_id)
        inner join serving.user_lists as newer using (build_id)
        where layer.base_build_id is not null and above.depth < served.depth
            and newer.user_id = user_lists.user_id and newer.list = user_lists.list
    );

-- The promise to everyone else: these three views.
create or replace view serving.releases as
select
    builds.release_id,
    builds.partition_date,
    builds.model_version,
    case when served.build_id is null then 'loaded' else 'serving' end as status,
    builds.users,
    builds.rows,
    builds.checksum,
    builds.created_at,
    builds.switched_at,
    builds.build_id
from serving.builds
left join serving.served_builds as served using (build_id)
where builds.status = 'ready' and builds.base_build_id is null;

create or replace view serving.recommendations as
select
    shown_lists.release_id,
    shown_lists.user_id,
    shown_lists.list,
    item.rank::integer as rank,
    item.item_id,
    item.score,
    item.reason
from serving.shown_lists
cross join lateral unnest(shown_lists.item_ids, shown_lists.scores, shown_lists.reasons)
    with ordinality as item (item_id, score, reason, rank);

create or replace view serving.current_recommendations as
select
    shown_lists.release_id,
    shown_lists.user_id,
    shown_lists.list,
    item.rank::integer as rank,
    item.item_id,
    item.score,
    item.reason
from serving.shown_lists
cross join lateral unnest(shown_lists.item_ids, shown_lists.scores, shown_lists.reasons)
    with ordinality as item (item_id, score, reason, rank)
where shown_lists.is_served;

grant usage on schema serving to cartwheel_api;
grant select on all tables in schema serving to cartwheel_api;
