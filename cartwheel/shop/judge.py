"""What a trial's figures mean: what would fail the gate on `raw`, and what will not work further on."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

from cartwheel.settings import LOCAL_ENV_FILE, Settings, get_settings
from cartwheel.shop.results import ShopCheck


def setting(name: str) -> Any:
    """A setting, or its default where the platform is not set up yet."""
    if "CARTWHEEL_POSTGRES_DSN" in os.environ or LOCAL_ENV_FILE.exists():
        return getattr(get_settings(), name)
    return Settings.model_fields[name].default


def judge(result: ShopCheck, days: Counter[date], midnights: int) -> None:
    """Fill `failures` and `warnings`; `days` counts the events of each date, `midnights` those at midnight."""
    share = setting("max_rejected_share")
    fail, warn = result.failures.append, result.warnings.append
    for check in result.files:
        if check.error:
            fail(f"{check.file}: {check.error}")
        elif check.rejected > share * check.rows_read:
            rows = f"{check.rejected} of {check.rows_read} rows rejected"
            fail(f"{check.file}: {rows} by source {check.source}, allowed is a share of {share:g}")
    events = sum(days.values())
    read = [check for check in result.files if check.dataset == "interactions"]
    if not result.files:
        fail("no file is read by any source: compare the names with `files` of the mapping")
    elif not read:
        fail("no file of interactions: nothing can be recommended without them")
    elif not events:
        fail("no event was accepted")
    for check in result.files:
        if not check.error and not check.rows_read and not check.filtered:
            warn(f"{check.file}: has no rows")
        elif not check.error and check.filtered and not check.rows_read:
            warn(f"{check.file}: `where` of source {check.source} leaves out all of its {check.filtered} rows")
    duplicates = sum(check.duplicates for check in read)
    if duplicates > 0.01 * sum(check.rows_read for check in read):
        warn(f"{duplicates} events have an id that an earlier row had; if they are events of their own, form event_id otherwise")
    if result.unread:
        warn(
            f"{len(result.unread)} files are read by no source: {', '.join(result.unread[:5])}{' …' if result.unread[5:] else ''}"
        )
    if events:
        _judge_events(result, days, midnights, warn)


def _judge_events(result: ShopCheck, days: Counter[date], midnights: int, warn: Callable[[str], None]) -> None:
    events = sum(days.values())
    minimum = setting("min_item_purchases")
    if not result.events_by_type.get("purchase"):
        warn(
            "no purchases: features, candidates and the ranker are made of purchases, so nothing will be recommended; "
            "if these events are what should be recommended by (ratings, plays), map them to `purchase`"
        )
    elif not result.items_bought_enough:
        warn(f"no item has {minimum} purchases, which a candidate needs: lower CARTWHEEL_MIN_ITEM_PURCHASES")
    elif result.items_bought_enough < 50:
        warn(f"only {result.items_bought_enough} items have {minimum} purchases, which a candidate needs: lists will be short")
    if result.dates < 2:
        warn("events of one date only: training needs weeks")
    elif result.last_date is not None:
        typical = sorted(days.values())[len(days) // 2]
        if days[result.last_date] < 0.3 * typical:
            warn(f"the latest date, {result.last_date}, has {days[result.last_date]} events, other dates {typical}: is it whole?")
    if result.first_date is not None and result.first_date.year < 1995:
        warn(f"events of {result.first_date}: is the time read in the right format?")
    if midnights > 0.9 * events:
        warn("nearly all events are at midnight UTC: the order within a day is unknown")
    if not result.known_users:
        warn("no user attributes: lists for new users are the same for all")
    if not result.catalogue_items:
        warn("no catalogue: items have no titles, categories or prices; recommendations are by id")
    elif result.share_in_catalogue is not None and result.share_in_catalogue < 0.9:
        warn(f"only {result.share_in_catalogue:.0%} of the events are of items in the catalogue: are the ids written alike?")
    first_item = min((c.first_date for c in result.files if c.dataset == "items" and c.first_date), default=None)
    if first_item and result.first_date and first_item > result.first_date:
        warn(f"the catalogue is known from {first_item} on, but events begin {result.first_date}: set its `date` earlier")
