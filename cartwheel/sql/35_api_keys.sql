-- Keys of the API, without their secrets. Every statement can be run again.

create table if not exists serving.api_keys (
    key_id text primary key,
    name text not null,
    salt bytea not null,
    hash bytea not null, -- SHA-256 of the salt and the secret
    scopes text[] not null,
    requests_per_s double precision, -- null: CARTWHEEL_API_REQUESTS_PER_S
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
