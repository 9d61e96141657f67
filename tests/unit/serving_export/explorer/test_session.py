"""A session opens with the key alone, ends after its time, and cannot be made up."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.explorer import session

KEY, OTHER = "k" * 32, "o" * 32


def test_the_key_and_nothing_else():
    assert session.is_key(KEY, KEY)
    assert not session.is_key("", KEY) and not session.is_key(KEY[:-1], KEY) and not session.is_key(f"{KEY}ä", KEY)


def test_a_session_holds_for_its_key_alone():
    cookie = session.new_session(KEY)
    assert session.is_session(cookie, KEY)
    assert not session.is_session(cookie, OTHER)
    assert KEY not in cookie


def test_a_session_ends(monkeypatch):
    cookie, now = session.new_session(KEY), time.time()
    monkeypatch.setattr(time, "time", lambda: now + session.LIFETIME_S - 5)
    assert session.is_session(cookie, KEY)
    monkeypatch.setattr(time, "time", lambda: now + session.LIFETIME_S + 5)
    assert not session.is_session(cookie, KEY)


@given(st.text())
def test_a_made_up_cookie_opens_nothing(cookie):
    assert not session.is_session(cookie, KEY)


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_changed_cookie_opens_nothing(place):
    cookie = session.new_session(KEY)
    place %= len(cookie)
    changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
    assert not session.is_session(changed, KEY)
