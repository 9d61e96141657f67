"""The recommendation API: answers from Redis, and from PostgreSQL when Redis cannot.

    uvicorn --factory serving_export.api.application:create_app --no-access-log

Reads the keys `cw:*` and, as a role that can read nothing else, the schema `serving`. It needs no release to start.
"""
