"""The groups that a report shows its figures by: users by how much they shop, items by how much they sell and by department.

All are made of what was known at the cut-off, with their limits in words.
"""

from dataclasses import dataclass

import polars as pl

from training import metrics, segments

HEAD_SHARE = 0.5  # of all purchases: the most bought items that make it up are the head
DEPARTMENTS = 12  # those with most purchases in the window


@dataclass(frozen=True)
class Group:
    """Some of the users or some of the items; `keys` has one column, user_key or item_id."""

    kind: str  # users, items or department
    name: str
    limit: str
    keys: pl.DataFrame

    @property
    def key(self) -> str:
        return self.keys.columns[0]


def groups(tables: dict[str, pl.DataFrame], truth: metrics.Truth) -> list[Group]:
    """Every group of a cut-off: its tables (`data.load`) and the truth of its window."""
    return [*by_activity(tables["user"], truth), *by_sales(truth), *by_department(tables["items"], truth)]


def by_activity(user: pl.DataFrame, truth: metrics.Truth) -> list[Group]:
    """New, light and heavy users; who was not known before the window is new."""
    known = segments.activity(user)
    strangers = truth.users.join(known, on="user_key", how="anti").select("user_key", segment=pl.lit("new"))
    segment = pl.concat([known.select("user_key", "segment"), strangers])
    light = segment.filter(pl.col("segment") == "light").join(user, on="user_key")
    most = format(light["purchases"].fill_nan(None).max() or 0, ",.0f")
    limits = {
        "new": f"fewer than {segments.NEW_VISITS} visits",
        "light": f"others with up to {most} purchases",
        "heavy": f"more than {most} purchases",
    }
    return [Group("users", name, limit, _keys(segment, name, "user_key")) for name, limit in limits.items()]


def by_sales(truth: metrics.Truth) -> list[Group]:
    """Head and tail of the catalogue."""
    before = pl.col("purchases").cum_sum() - pl.col("purchases")
    segment = truth.catalogue.sort("purchases", "item_id", descending=[True, False]).select(
        "item_id",
        segment=pl.when(before < HEAD_SHARE * pl.col("purchases").sum()).then(pl.lit("head")).otherwise(pl.lit("tail")),
    )
    head, tail = (_keys(segment, name, "item_id") for name in ("head", "tail"))
    share = f"{HEAD_SHARE:.0%}".replace("%", " %")
    return [
        Group("items", "head", f"the {len(head):,} most bought items, {share} of all purchases", head),
        Group("items", "tail", f"the other {len(tail):,} items", tail),
    ]


def by_department(items: pl.DataFrame, truth: metrics.Truth) -> list[Group]:
    """The departments most bought from in the window, the first first; items without one are in none."""
    segment = truth.catalogue.join(items, on="item_id").select("item_id", segment="department").drop_nulls()
    bought = truth.pairs.join(segment, on="item_id").group_by("segment").len("pairs")
    names = bought.sort("pairs", "segment", descending=[True, False])["segment"].head(DEPARTMENTS)
    found = [(name, _keys(segment, name, "item_id")) for name in names]
    return [Group("department", name, f"{len(keys):,} items", keys) for name, keys in found]


def _keys(segment: pl.DataFrame, name: str, key: str) -> pl.DataFrame:
    return segment.filter(pl.col("segment") == name).select(key).sort(key)
