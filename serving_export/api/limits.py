"""How often a caller may ask: a token bucket each (Turner, IEEE Communications Magazine 24(10), 1986).

A bucket holds two seconds' worth of its rate and refills steadily. Buckets are per process; a caller that has not asked
for a while is forgotten, which leaves it a full bucket.
"""

import time
from collections import OrderedDict

BURST_S = 2.0
CALLERS = 10_000


class Limiter:
    """The buckets of all callers."""

    def __init__(self) -> None:
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller → tokens, and when that was so

    def wait_s(self, caller: str, per_s: float, cost: float = 1, paid: float = 0, now: float | None = None) -> float:
        """Take `cost` tokens: 0 if they were there, else the seconds until they will be, and nothing is taken.

        What costs more than a bucket holds takes a full one. `paid` of the tokens were taken before, for the same request;
        they are lost if the rest is not there, so one waits for all of the cost.
        """
        now = time.monotonic() if now is None else now
        size = max(per_s * BURST_S, 1)
        tokens, since = self.buckets.get(caller, (size, now))
        tokens = min(size, tokens + (now - since) * per_s)
        price = min(cost, size)
        refused = price - paid > tokens
        self.buckets[caller] = (tokens if refused else tokens - price + paid, now)
        self.buckets.move_to_end(caller)
        if len(self.buckets) > CALLERS:
            self.buckets.popitem(last=False)
        return (price - tokens) / per_s if refused else 0
