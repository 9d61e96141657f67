"""Who stays out: the same key as everywhere, rows without ids, texts that could not be taken apart."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cartwheel.privacy.suppression import Suppression
from cartwheel.warehouse import hmac_pads, user_key

SECRET = b"a secret"


def suppression(*erased: str) -> Suppression:
    return Suppression(frozenset(user_key(SECRET, user) for user in erased), *hmac_pads(SECRET))


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_erased_user_is_known_by_the_key_alone(user: str, other: str) -> None:
    found = suppression(user)
    assert found.is_erased(user)
    assert found.is_erased(other) == (user == other)


def test_rows_of_erased_users() -> None:
    ids = pl.Series("user_id", ["ann", None, "bob", "ann", "Ann", " ann"])
    assert suppression("ann", "cid").mask(ids).to_list() == [True, False, False, True, False, False]
    assert suppression("cid").mask(ids).to_list() == [False] * 6


def test_nobody_was_erased() -> None:
    none = suppression()
    assert not none
    assert none.mask(pl.Series(["ann", None])).to_list() == [False, False]
    assert none.mask_texts(pl.Series(["ann", None])).to_list() == [False, False]
    assert none.mask(pl.Series([], dtype=pl.String)).len() == 0


def test_texts_that_hold_an_erased_id_as_a_value() -> None:
    texts = ["e1,purchase,7,milk", "e1,purchase,17,milk", '{"user_id": "7"}', "7.5;2017-07-07", None, '"7', "7"]
    assert suppression("7").mask_texts(pl.Series(texts)).to_list() == [True, False, True, False, False, True, True]
