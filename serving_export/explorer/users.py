"""What the page of a user shows: who it is, what was bought, what is recommended and what changed in that.

Reads the views of `serving` and `serving.found_by` by the shop's id, and the marts by the user's key.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import psycopg

from cartwheel.contracts import LISTS
from serving_export.explorer import charts
from serving_export.explorer.changes import ComparedList, Recommendation, compare
from serving_export.explorer.items import titles
from serving_export.explorer.releases import Release, before, loaded, served
from serving_export.explorer.rows import rows
from serving_export.explorer.search import User
from serving_export.segments import segment_chain

RECENT, USUAL, WEEKS = 30, 10, 26
PROFILE = """
    select age_band, gender, region, income_band, household_size, consent
    from marts.dim_users where user_key = %s and is_current
"""
HABITS = """
    select
        count(*) as items,
        coalesce(sum(purchases), 0)::bigint as purchases,
        coalesce(sum(revenue), 0)::double precision as revenue,
        min(first_purchase_date) as first_purchase,
        max(last_purchase_date) as last_purchase
    from marts.fct_user_item where user_key = %s and purchases > 0
"""
USUALLY_BOUGHT = """
    select item_id, purchase_days, last_purchase_date, gap_days
    from marts.fct_user_item where user_key = %s and purchase_days > 1
    order by purchase_days desc, last_purchase_date desc, item_id limit %s
"""
RECENTLY_BOUGHT = """
    select event_date, item_id, quantity, revenue::double precision
    from marts.fct_interactions where user_key = %s and event_type = 'purchase'
    order by event_ts desc, event_id limit %s
"""
BOUGHT_BY_WEEK = """
    select date_trunc('week', event_date)::date, count(*)
    from marts.fct_interactions where user_key = %s and event_type = 'purchase' group by 1
"""
RECOMMENDED = """
    select release_id, list, rank, item_id, score::double precision, reason
    from serving.recommendations where user_id = %s and release_id = any(%s) order by list, rank
"""

FOUND_BY = """
    select found.item_id, found.sources
    from serving.found_by cross join lateral unnest(item_ids, sources) as found (item_id, sources)
    where build_id = %s and user_id = %s
"""


@dataclass(frozen=True)
class Profile:
    """The user as the shop describes them; every attribute may be unknown."""

    age_band: str | None = None
    gender: str | None = None
    region: str | None = None
    income_band: str | None = None
    household_size: str | None = None
    consent: bool = True

    @property
    def segment(self) -> str:
        """The closest segment whose popular list stands in when the user has no lists."""
        return segment_chain(self.age_band, self.income_band)[0]


@dataclass(frozen=True)
class Habits:
    """All purchases in sums; `items` counts different ones."""

    items: int
    purchases: int
    revenue: float
    first_purchase: date | None
    last_purchase: date | None


@dataclass(frozen=True)
class UsuallyBought:
    item_id: str
    purchase_days: int
    last_purchase_date: date
    gap_days: float | None


@dataclass(frozen=True)
class RecentlyBought:
    event_date: date
    item_id: str
    quantity: float | None
    revenue: float | None


@dataclass(frozen=True)
class UserPage:
    user: User
    profile: Profile
    habits: Habits
    usual: list[UsuallyBought]
    recent: list[RecentlyBought]
    weeks: list[charts.Bar]  # purchases by week
    release: Release | None  # the served one
    earlier: Release | None  # the one that the lists are compared with
    lists: dict[str, ComparedList]  # by name; empty if the served release holds none for the user
    titles: dict[str, str]
    found_by: dict[str, list[str]]  # the candidate sources that named each listed item; empty where that is not known


def read_user(connection: psycopg.Connection, user: User) -> UserPage:
    """Everything the page shows, in the transaction that the connection is in."""
    releases = loaded(connection)
    release = served(releases)
    earlier = before(releases, release) if release else None
    described = rows(connection, Profile, PROFILE, (user.user_key,))
    (habits,) = rows(connection, Habits, HABITS, (user.user_key,))
    usual = rows(connection, UsuallyBought, USUALLY_BOUGHT, (user.user_key, USUAL))
    recent = rows(connection, RecentlyBought, RECENTLY_BOUGHT, (user.user_key, RECENT))
    by_week: dict[date, float] = dict(connection.execute(BOUGHT_BY_WEEK, (user.user_key,)).fetchall())
    lists = _lists(connection, user, release, earlier)
    shown = {each.item_id for each in usual} | {each.item_id for each in recent}
    shown |= {each.now.item_id for compared in lists.values() for each in compared.listed}
    shown |= {each.item_id for compared in lists.values() for each in compared.left}
    return UserPage(
        user, described[0] if described else Profile(), habits, usual, recent, _weeks(by_week, release), release, earlier,
        lists, titles(connection, shown), _found_by(connection, user, release),
    )  # fmt: skip


def _weeks(by_week: dict[date, float], release: Release | None) -> list[charts.Bar]:
    if not by_week:
        return []
    last = max(max(by_week), release.partition_date) if release else max(by_week)
    return charts.bars([(str(day), value) for day, value in charts.every_week(by_week, last, WEEKS)])


def _lists(
    connection: psycopg.Connection, user: User, release: Release | None, earlier: Release | None
) -> dict[str, ComparedList]:
    wanted = [each.release_id for each in (release, earlier) if each]
    found = connection.execute(RECOMMENDED, (user.user_id, wanted)).fetchall() if wanted else []
    return compare_lists(found, release.release_id if release else "", earlier.release_id if earlier else None)


def _found_by(connection: psycopg.Connection, user: User, release: Release | None) -> dict[str, list[str]]:
    found = connection.execute(FOUND_BY, (release.build_id, user.user_id)).fetchall() if release else []
    return {item_id: sources.split(",") for item_id, sources in found if sources}


def compare_lists(recommended: Sequence[tuple], release: str, earlier: str | None) -> dict[str, ComparedList]:
    """The lists of a user by name, from rows of release, list, rank, item_id, score, reason, by rank.

    Empty if the release has no row; a user whom the earlier release did not know is compared with nothing.
    """
    by_release: dict[str, dict[str, list[Recommendation]]] = defaultdict(lambda: defaultdict(list))
    for release_id, name, *recommendation in recommended:
        by_release[release_id][name].append(Recommendation(*recommendation))
    if release not in by_release:
        return {}
    now, then = by_release[release], by_release.get(earlier or "")
    return {name: compare(now.get(name, []), None if then is None else then.get(name, [])) for name in LISTS}
