"""Values that take longer than a page may: computed in a thread of their own, and kept for a while."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Background(Generic[Value]):
    """The values of `compute` by its argument. One is computed at a time."""

    def __init__(self, compute: Callable[[Hashable], Value], keep_s: float, wait_s: float = 0.1) -> None:
        self.compute, self.keep_s, self.wait_s = compute, keep_s, wait_s
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explorer")
        self.known: dict[Hashable, tuple[float, Future[Value]]] = {}
        self.lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value; None while it is still being computed. What `compute` raises is raised here, and tried again next time."""
        with self.lock:
            self.known = {each: found for each, found in self.known.items() if time.monotonic() - found[0] < self.keep_s}
            if key not in self.known:
                self.known[key] = (time.monotonic(), self.pool.submit(self.compute, key))
            _, future = self.known[key]
        try:
            return future.result(timeout=self.wait_s)
        except TimeoutError:
            if not future.done():
                return None
            raise
        except Exception:
            with self.lock:
                self.known.pop(key, None)
            raise
