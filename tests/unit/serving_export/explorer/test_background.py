"""Values computed beside the pages."""

import threading

import pytest

from serving_export.explorer.background import Background


def test_a_value_is_computed_once_and_nobody_waits_for_it():
    go_on, asked = threading.Event(), []

    def compute(key):
        asked.append(key)
        go_on.wait()
        return f"value of {key}"

    values = Background(compute, keep_s=3600, wait_s=0.01)
    assert values.get("a") is None and values.get("a") is None
    go_on.set()
    values.wait_s = 60
    assert values.get("a") == values.get("a") == "value of a"
    assert asked == ["a"]


def test_a_value_is_computed_again_after_its_time():
    numbers = iter(range(3))
    values = Background(lambda _: next(numbers), keep_s=0, wait_s=60)
    assert [values.get("a"), values.get("a")] == [0, 1]


def test_what_fails_is_raised_and_tried_again():
    answers = iter([OSError("away"), "back"])

    def compute(_):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    values = Background(compute, keep_s=3600, wait_s=60)
    with pytest.raises(OSError, match="away"):
        values.get("a")
    assert values.get("a") == "back"
