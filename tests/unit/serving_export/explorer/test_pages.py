"""Addresses, numbers, and that nothing typed or landed becomes markup."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from serving_export.explorer.pages import day, link, moment, number, percent, render
from serving_export.explorer.search import Found, FoundItem, User, readable


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_an_address_gives_back_any_id(text):
    parts = urlsplit(link("user", id=text))
    assert parts.path == "/explorer/user"
    assert parse_qs(parts.query, keep_blank_values=True) == {"id": [text]}


def test_numbers_as_people_read_them():
    assert (number(360662), number(0.04321, 3), number(None)) == ("360\N{NARROW NO-BREAK SPACE}662", "0.043", "–")
    assert percent(0.154) == "15.4\N{NARROW NO-BREAK SPACE}%"
    assert (day(date(2017, 12, 1)), moment(datetime(2017, 12, 1, 8, 5, tzinfo=UTC))) == ("1 Dec 2017", "1 Dec 2017, 08:05")


@given(st.text(alphabet="<>&\"'/ scriptx=") | st.just('"><script>alert(1)</script>'))
def test_what_is_found_never_becomes_markup(text):
    found = Found([User(text, "key")], [FoundItem(text, text, text)])
    page = render("search", found=found, query=text)
    plain = render("search", found=Found([User("x", "key")], [FoundItem("x", "x", "x")]), query="x")
    assert page.count("<") == plain.count("<") or not text.strip()  # a blank query has a sentence of its own
    assert page.count("<script") == plain.count("<script") == 1


@given(st.text())
def test_what_is_typed_can_be_asked_of_postgresql(text):
    asked = readable(text)
    assert "\0" not in asked and len(asked) <= 200


def test_one_page_is_meant_only_without_doubt():
    user, item = User("7", "k"), FoundItem("7", "Milk", None)
    assert Found([user, User("77", "k")], []).only_page("7") == ("user", "7")
    assert Found([user], [item]).only_page("7") is None
    assert Found([], [item]).only_page("mil") == ("item", "7")
    assert Found([user, User("77", "k")], []).only_page("") is None
