"""What the page of an item shows: its details, how it sells, what is bought with it, and where it is recommended.

Reads the marts and the view `serving.current_recommendations`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

from cartwheel.contracts import LISTS
from serving_export.explorer import charts
from serving_export.explorer.releases import Release, loaded, served
from serving_export.explorer.rows import rows
from serving_export.explorer.search import readable

WEEKS, BASKETS, CANDIDATES, NEIGHBOURS = 52, 200, 60, 15
FEWEST_TOGETHER = 3  # baskets that hold both items, below which it is chance

TITLES = "select item_id, title from marts.dim_items where item_id = any(%s) and is_current and title is not null"
DETAILS = """
    select item_id, title, description, department, category, subcategory, brand, price, available, valid_from
    from marts.dim_items where item_id = %s and is_current
"""
SALES = """
    select
        count(*) as buyers,
        count(*) filter (where purchase_days > 1) as repeat_buyers,
        coalesce(sum(purchases), 0)::bigint as purchases,
        coalesce(sum(revenue), 0)::double precision as revenue,
        percentile_cont(0.5) within group (order by gap_days) as gap_days,
        max(last_purchase_date) as last_purchase
    from marts.fct_user_item where item_id = %s and purchases > 0
"""
SOLD_BY_WEEK = "select week, units, is_promoted from marts.fct_item_weeks where item_id = %s order by week"
# The last basket of each of the latest buyers; how many of them hold another item.
TOGETHER = """
    with buyers as materialized (
        select user_key, last_purchase_date
        from marts.fct_user_item where item_id = %(item)s and purchases > 0
        order by last_purchase_date desc, user_key limit %(baskets)s
    ),
    lines as materialized (
        select distinct events.item_id, events.user_key, events.session_key
        from buyers
        inner join marts.fct_interactions as events
            on events.user_key = buyers.user_key and events.event_date = buyers.last_purchase_date
        where events.event_type = 'purchase'
    ),
    baskets as (select user_key, session_key from lines where item_id = %(item)s)
    select lines.item_id, count(*) as together, (select count(*) from baskets) as baskets
    from baskets
    inner join lines using (user_key, session_key)
    where lines.item_id <> %(item)s
    group by lines.item_id
    order by together desc, lines.item_id limit %(candidates)s
"""
# How usual an item is: in how many of all baskets of four weeks.
USUAL = """
    select sales.item_id, sum(sales.baskets)::double precision / total.baskets
    from marts.fct_daily_item_sales as sales
    cross join (
        select sum(baskets) as baskets from marts.daily_kpis where event_date > %(last)s - 28 and event_date <= %(last)s
    ) as total
    where sales.event_date > %(last)s - 28 and sales.event_date <= %(last)s and sales.item_id = any(%(items)s)
    group by sales.item_id, total.baskets
"""
PLACES = "select list, rank, count(*) from serving.current_recommendations where item_id = %s group by list, rank"


@dataclass(frozen=True)
class Details:
    item_id: str
    title: str | None
    description: str | None
    department: str | None
    category: str | None
    subcategory: str | None
    brand: str | None
    price: float | None
    available: bool
    valid_from: date


@dataclass(frozen=True)
class Sales:
    """All purchases in sums; a repeat buyer bought it on two days or more, `gap_days` apart (the median of them)."""

    buyers: int
    repeat_buyers: int
    purchases: int
    revenue: float
    gap_days: float | None
    last_purchase: date | None


@dataclass(frozen=True)
class Neighbour:
    """An item bought with this one: in which share of its latest baskets, and in which share of all baskets."""

    item_id: str
    together: int
    share: float
    usual_share: float | None

    @property
    def lift(self) -> float | None:
        """How many times more often than in all baskets."""
        return self.share / self.usual_share if self.usual_share else None


@dataclass(frozen=True)
class Places:
    """Where an item stands in one list: in how many users' lists, at which ranks."""

    lists: int
    best: int
    median: int
    ranks: list[charts.Bar]


@dataclass(frozen=True)
class ItemPage:
    item: Details
    sales: Sales
    weeks: list[charts.Bar]  # units sold by week; marked where it was promoted
    neighbours: list[Neighbour]
    release: Release | None
    places: dict[str, Places] | None  # by list; None if counting took too long
    titles: dict[str, str]


def titles(connection: psycopg.Connection, item_ids: Iterable[str]) -> dict[str, str]:
    """The titles of items that have one."""
    return dict(connection.execute(TITLES, (sorted(set(item_ids)),)).fetchall())


def read_item(connection: psycopg.Connection, item_id: str) -> ItemPage | None:
    """Everything the page shows, in the transaction that the connection is in; None if there is no such item."""
    item_id = readable(item_id)
    details = rows(connection, Details, DETAILS, (item_id,))
    if not details:
        return None
    (sales,) = rows(connection, Sales, SALES, (item_id,))
    together = connection.execute(TOGETHER, {"item": item_id, "baskets": BASKETS, "candidates": CANDIDATES}).fetchall()
    asked = {"last": sales.last_purchase, "items": [item for item, _, _ in together]}
    usual: dict[str, float] = dict(connection.execute(USUAL, asked).fetchall()) if together else {}
    neighbours = best_neighbours(together, usual)
    release = served(loaded(connection))
    return ItemPage(
        details[0], sales, _weeks(connection.execute(SOLD_BY_WEEK, (item_id,)).fetchall(), sales.last_purchase), neighbours,
        release, _places(connection, item_id) if release else {}, titles(connection, [each.item_id for each in neighbours]),
    )  # fmt: skip


def best_neighbours(together: Sequence[tuple[str, int, int]], usual: dict[str, float]) -> list[Neighbour]:
    """The items bought with another, the strongest bond first: by together x log(lift), which is what the item adds to the
    Kullback-Leibler divergence of these baskets from all. What is no more frequent than usual is left out.

    Args:
        together: rows of item, baskets with both, baskets in all. usual: the share of all baskets that hold the item.
    """
    found = [
        Neighbour(item, both, both / baskets, usual.get(item)) for item, both, baskets in together if both >= FEWEST_TOGETHER
    ]
    bonds = {each.item_id: each.together * math.log(each.lift) for each in found if each.lift and each.lift > 1}
    return sorted((each for each in found if each.item_id in bonds), key=lambda each: -bonds[each.item_id])[:NEIGHBOURS]


def _weeks(sold: Sequence[tuple[date, float, bool]], last: date | None) -> list[charts.Bar]:
    if not sold:
        return []
    units, promoted = {week: value for week, value, _ in sold}, {week for week, _, mark in sold if mark}
    weeks = charts.every_week(units, max(last or sold[-1][0], sold[-1][0]), WEEKS)
    return charts.bars([(str(week), value) for week, value in weeks], [week in promoted for week, _ in weeks])


def _places(connection: psycopg.Connection, item_id: str) -> dict[str, Places] | None:
    """The view has no index by item: on a very large release this is given up, and the rest of the page is shown."""
    try:
        with connection.transaction():
            places = connection.execute(PLACES, (item_id,)).fetchall()
    except psycopg.errors.QueryCanceled:
        return None
    return summarize_places(places)


def summarize_places(places: Sequence[tuple[str, int, int]]) -> dict[str, Places]:
    """From rows of list, rank and how many lists have the item at that rank."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for name, rank, lists in places:
        counts[name][rank] = lists
    found = {}
    for name in (each for each in LISTS if each in counts):
        by_rank = counts[name]
        every = [rank for rank in sorted(by_rank) for _ in range(by_rank[rank])]
        longest = max(10, every[-1])
        ranks = charts.bars([(str(rank), float(by_rank.get(rank, 0))) for rank in range(1, longest + 1)])
        found[name] = Places(len(every), every[0], every[(len(every) - 1) // 2], ranks)
    return found
