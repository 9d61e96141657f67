"""The token bucket, by the clock that the test holds."""

import pytest

from serving_export.api.limits import CALLERS, Limiter


def test_two_seconds_worth_at_once_then_the_rate() -> None:
    limiter = Limiter()
    assert [limiter.wait_s("a", 2, now=0) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert limiter.wait_s("a", 2, now=0.5) == 0
    assert limiter.wait_s("a", 2, now=0.5) == 0.5


def test_callers_have_buckets_of_their_own() -> None:
    limiter = Limiter()
    assert [limiter.wait_s(caller, 0.5, now=0) for caller in ("a", "a", "b")] == [0, 2, 0]


def test_what_costs_more_than_a_bucket_takes_a_full_one() -> None:
    limiter = Limiter()
    assert limiter.wait_s("a", 5, cost=200, now=0) == 0
    assert limiter.wait_s("a", 5, cost=200, now=1) == pytest.approx(1)


def test_a_full_bucket_is_enough_though_a_part_was_paid_before() -> None:
    limiter = Limiter()
    for per_s in (5, 0.1):
        caller = str(per_s)
        assert [limiter.wait_s(caller, per_s, now=0), limiter.wait_s(caller, per_s, cost=200, paid=1, now=0)] == [0, 0]
        assert limiter.buckets[caller][0] == 0


def test_whoever_waits_as_long_as_told_has_what_it_costs() -> None:
    limiter = Limiter()
    assert [limiter.wait_s("a", 5, now=0) for _ in range(3)] == [0, 0, 0]
    assert limiter.wait_s("a", 5, cost=200, paid=1, now=0) == pytest.approx(0.6)
    assert [limiter.wait_s("a", 5, now=0.6), limiter.wait_s("a", 5, cost=200, paid=1, now=0.6)] == [0, 0]


def test_the_longest_silent_caller_is_forgotten() -> None:
    limiter = Limiter()
    for number in range(CALLERS + 1):
        limiter.wait_s(str(number), 1, now=0)
    assert len(limiter.buckets) == CALLERS and "0" not in limiter.buckets
