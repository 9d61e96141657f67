"""Load for an HTTP server, from a process of its own: keep-alive connections that each wait for their answer.

Requests are ready-made bytes and answers are only measured, so that a core of the generator outlasts one of the server.
"""

import asyncio
import multiprocessing
import random
import time
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import uvloop


@dataclass(frozen=True)
class Outcome:
    """What one run saw. `failed`: answers other than 200, and connections that broke."""

    requests: int
    failed: int
    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Load:
    """GET requests for these paths, at random, at 127.0.0.1."""

    port: int
    paths: list[str]
    headers: dict[str, str] = field(repr=False)

    def run(self, connections: int, seconds: float, per_s: float | None = None) -> Outcome:
        """Ask for so long, at most `per_s` requests a second; a connection that broke is opened again."""
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_run, (self, connections, seconds, per_s))


def _run(load: Load, connections: int, seconds: float, per_s: float | None) -> Outcome:
    return uvloop.run(_ask(load, connections, seconds, per_s))


async def _ask(load: Load, connections: int, seconds: float, per_s: float | None) -> Outcome:
    lines = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
    requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode() for path in load.paths]
    started = time.perf_counter()
    pace = connections / per_s if per_s else 0.0
    runs = [_connection(load.port, requests, started, seconds, pace, pace * n / connections) for n in range(connections)]
    found = await asyncio.gather(*runs)
    elapsed = time.perf_counter() - started
    times = np.array([each for times, _ in found for each in times]) * 1000
    p50, p99 = np.percentile(times, [50, 99])
    return Outcome(len(times), sum(failed for _, failed in found), len(times) / elapsed, round(p50, 2), round(p99, 2))


async def _connection(
    port: int, requests: list[bytes], started: float, seconds: float, pace: float, offset: float
) -> tuple[list[float], int]:
    """The seconds of every answer, and the failures. With a pace, requests start that far apart, the first after `offset`."""
    times: list[float] = []
    failed, client, number = 0, None, 0
    while True:
        await asyncio.sleep(max(0.0, started + offset + number * pace - time.perf_counter()) if pace else 0)
        asked = time.perf_counter()
        if asked - started > seconds:
            break
        number += 1
        try:
            if client is None or client.closed:
                _, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", port)
            failed += await client.ask(random.choice(requests)) != 200
        except OSError:
            failed, client = failed + 1, None
        times.append(time.perf_counter() - asked)
    if client is not None:
        client.transport.close()
    return times, failed


class _Client(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self) -> None:
        self.buffer, self.closed = b"", False
        self.answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer, once all of it is there."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or self.answer is None:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self.buffer = b""
            self.answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionResetError("the server closed the connection"))
