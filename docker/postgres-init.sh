#!/bin/sh
# Runs once, on an empty data directory: roles and databases. The warehouse's layout is `cartwheel migrate`.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres \
    --set cartwheel="$CARTWHEEL_DB_PASSWORD" --set api="$API_DB_PASSWORD" --set airflow="$AIRFLOW_DB_PASSWORD" \
    --set mlflow="$MLFLOW_DB_PASSWORD" --set analyst="$ANALYST_DB_PASSWORD" --set explorer="$EXPLORER_DB_PASSWORD" <<'SQL'
create role cartwheel login password :'cartwheel';
create role cartwheel_api login password :'api';
create role cartwheel_explorer login password :'explorer';
create role analyst login password :'analyst';
create role airflow login password :'airflow';
create role mlflow login password :'mlflow';
create database cartwheel owner cartwheel;
create database airflow owner airflow;
create database mlflow owner mlflow;
revoke connect on database cartwheel, airflow, mlflow from public;
grant connect on database cartwheel to cartwheel_api, cartwheel_explorer, analyst;
SQL
