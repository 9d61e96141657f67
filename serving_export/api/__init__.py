"""The recommendation API: answers from Redis, and from PostgreSQL when Redis cannot.

    uvicorn serving_export.api:app

Reads the keys `cw:*` and, as a role that can read nothing else, the schema `serving`. It needs no release to start.
"""

from serving_export.api.application import create_app

app = create_app()
