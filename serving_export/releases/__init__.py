"""The life of releases: what they hold, loaded into both stores, verified, switched to, read, rolled back, taken away.

`release` is the protocol; `content` is what a release holds; `postgres_store` and `redis_store` hold it; `lookup` reads it.
"""
