"""A window small enough to work out by hand, with a challenger and a champion, for tests of the evaluation report.

Four items: a and b make up half of the sales (GROCERY), c and d the rest (<DELI & CO>). Users u, v and x have bought before
the cut-off, w has not. In the window u buys a and c, v buys b, w buys d, and x nothing.
"""

from datetime import date

import polars as pl

from training.report_figures import CHALLENGER, CHAMPION, Window, measure
from training.report_page import Report

DEPARTMENT = "<DELI & CO> $1 $2"  # to be escaped in HTML, and no formula
ITEMS = ["a", "b", "c", "d"]


def window() -> Window:
    own = pl.DataFrame({"user_key": ["u", "v"], "item_id": ["a", "b"], "decayed_visits": [1.0, 1.0], "decayed_days": [1.0, 1.0]})
    tables = {
        "user": pl.DataFrame({"user_key": ["u", "v", "x"], "visits": 9.0, "purchases": [10.0, 90.0, 20.0]}),
        "item": pl.DataFrame({"item_id": ITEMS, "purchases": [40.0, 20.0, 20.0, 20.0]}),
        "user_item": own,
        "items": pl.DataFrame(
            {"item_id": ITEMS, "department": ["GROCERY"] * 2 + [DEPARTMENT] * 2, "category": ["x", "x", "y", "z"]}
        ),
    }
    als = pl.DataFrame({"user_key": ["u", "v"], "item_id": ["c", "c"], "rank": [1, 1], "score": [0.5, 0.5]})
    bought = pl.DataFrame({"user_key": ["u", "u", "v", "w"], "item_id": ["a", "c", "b", "d"]})
    return Window(tables, als, bought, 5)


def scores(u: list[float], v: list[float]) -> pl.DataFrame:
    """What `gate.scores` returns: the scores of a, b, c and d for both users."""
    pairs = [(user, item, score) for user, given in (("u", u), ("v", v)) for item, score in zip(ITEMS, given, strict=True)]
    frame = pl.DataFrame(pairs, schema=["user_key", "item_id", "score"], orient="row")
    mine = (pl.col("user_key") == "u") & (pl.col("item_id") == "a") | (pl.col("user_key") == "v") & (pl.col("item_id") == "b")
    return frame.with_columns(bought=mine, source=pl.lit("als"))


BEST = scores(u=[0.9, 0.1, 0.8, 0.2], v=[0.1, 0.9, 0.2, 0.3])  # what is bought comes first
WORST = scores(u=[0.1, 0.9, 0.2, 0.8], v=[0.9, 0.1, 0.8, 0.7])  # and last


def report(champion: bool = True) -> Report:
    models = {CHALLENGER: BEST} | ({CHAMPION: WORST} if champion else {})
    return Report(
        version="7",
        champion="5" if champion else None,
        day=date(2017, 11, 30),
        cutoff=date(2017, 11, 2),
        until=date(2017, 11, 30),
        verdict="refused",
        reason="department <DELI & CO> lost",
        figures=measure(window(), models),
        losses={"encoder": [7.5, 7.25], "encoder_validation": [7.75, 7.5], "scorer": [0.125]},
    )
