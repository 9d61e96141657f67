"""Segments of users, by hand."""

import polars as pl

from training import segments


def tables(visits: list[int], purchases: list[int], users: dict[str, list[str | None]] | None = None) -> dict[str, pl.DataFrame]:
    keys = [f"u{n}" for n in range(len(visits))]
    user = pl.DataFrame({"user_key": keys, "visits": visits, "purchases": purchases})
    known = {name: [None] * len(keys) for name in segments.ATTRIBUTES} | (users or {})
    return {"user": user, "users": pl.DataFrame({"user_key": keys} | known, schema_overrides=dict.fromkeys(known, pl.String))}


def found(of: dict[str, pl.DataFrame], kind: str) -> dict[str, str]:
    rows = segments.user_segments(of).filter(pl.col("kind") == kind)
    return dict(zip(rows["user_key"], rows["segment"], strict=True))


def test_new_light_and_heavy():
    # u0 is new, though it bought most; of the others' 10, 20 and 90 purchases two thirds of the way lies nearest to 20
    assert found(tables([4, 5, 30, 6], [500, 10, 20, 90]), "activity") == {
        "u0": "new",
        "u1": "light",
        "u2": "light",
        "u3": "heavy",
    }


def test_who_all_buy_alike_are_all_light():
    assert set(found(tables([9, 9, 9], [7, 7, 7]), "activity").values()) == {"light"}


def test_a_shop_of_new_users_alone():
    assert found(tables([1, 2], [3, 4]), "activity") == {"u0": "new", "u1": "new"}


def test_attributes_are_segments_of_who_has_them():
    of = tables([9, 9, 9], [1, 2, 3], {"age_band": ["45-54", None, "45-54"], "region": [None, "north", None]})
    assert found(of, "age_band") == {"u0": "45-54", "u2": "45-54"}
    assert found(of, "region") == {"u1": "north"}
    assert found(of, "income_band") == {}


def test_users_without_a_history_are_in_no_segment():
    of = tables([9, 9], [1, 2], {"region": ["north", "north"]})
    of["user"] = of["user"].filter(pl.col("user_key") == "u1")
    assert segments.user_segments(of).select("user_key", "kind").rows() == [("u1", "activity"), ("u1", "region")]
