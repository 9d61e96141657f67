"""Segments of users, whose popular lists stand in for those that a user lacks.

A segment is `<age_band>|<income_band>`; `*` stands for any, and `all` for everyone.
"""

from collections.abc import Collection

import polars as pl

ALL = "all"
ANY = "*"


def segment_chain(age_band: str | None, income_band: str | None) -> list[str]:
    """The segments a user belongs to, closest first."""
    chain = []
    if age_band and income_band:
        chain.append(f"{age_band}|{income_band}")
    if age_band:
        chain.append(f"{age_band}|{ANY}")
    if income_band:
        chain.append(f"{ANY}|{income_band}")
    return [*chain, ALL]


def of_whom(segment: str) -> list[str]:
    """All segments that every user of a segment belongs to, itself first."""
    if segment == ALL:
        return [ALL]
    age_band, _, income_band = segment.partition("|")
    return segment_chain(*(None if band == ANY else band for band in (age_band, income_band)))


def member_segment(age_band: str | None, income_band: str | None, known: Collection[str]) -> str:
    """The closest segment that has a list."""
    return next((segment for segment in segment_chain(age_band, income_band) if segment in known), ALL)


def memberships(users: pl.DataFrame) -> pl.DataFrame:
    """All segments of users (user_key, age_band, income_band): user_key, segment."""
    age, income = pl.col("age_band"), pl.col("income_band")
    return pl.concat(
        [
            users.select("user_key", segment=pl.lit(ALL)),
            users.select("user_key", segment=age + "|" + income),
            users.select("user_key", segment=age + f"|{ANY}"),
            users.select("user_key", segment=f"{ANY}|" + income),
        ]
    ).drop_nulls()
