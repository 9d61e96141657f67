"""A small shop for the explorer's tests: its marts built by dbt, two made-up releases, and names that mean harm."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import made_up_releases as made_up
import pytest
from own_warehouse import own_warehouse
from small_warehouse import build, load

from cartwheel.local.config import LocalConfig
from cartwheel.settings import get_settings
from serving_export.explorer import routes
from serving_export.releases.catalog import Catalog
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.release import Releases

FIRST, SECOND = date(1999, 3, 1), date(1999, 3, 2)
KEY = "the explorer's key of the tests"
HOSTILE = '"><script>document.title="harmed"</script>'
TITLE = f"Milk {HOSTILE}"


@contextmanager
def explorer_shop(stores: LocalConfig, name: str, folder: Path) -> Iterator[None]:
    """The settings and the explorer are on this shop until the block is done."""
    with own_warehouse(stores, name, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTWHEEL_EXPLORER_POSTGRES_DSN", stores.postgres_dsn("cartwheel_explorer", name))
        patch.setenv("CARTWHEEL_EXPLORER_KEY", KEY)
        get_settings.cache_clear()
        routes.pool.cache_clear()
        for values in (routes.coverages, routes.versions):
            values.known.clear()
            patch.setattr(values, "wait_s", 60.0)
        yield
        routes.pool.cache_clear()


def build_marts() -> None:
    """Four users buy `for_you 1` with `discover 1`, eight buy something else."""
    columns = "event_type, event_ts, session_id, event_id, user_id, item_id, quantity, price, value"
    baskets = {f"user {n}": ["for_you 1", "discover 1"] for n in range(1, 5)} | {f"user {n}": ["other"] for n in range(5, 12)}
    baskets[HOSTILE] = ["other"]
    rows = [
        ("purchase", f"{FIRST} 10:00+00", f"s-{user}", f"{user} {item}", user, item, 2, 1.5, 3.0)
        for user, items in baskets.items()
        for item in items
    ]
    load("interactions", FIRST, columns, rows)
    load("items", FIRST, "item_id, title, department", [("for_you 1", TITLE, "Dairy"), ("discover 1", "Bread", "Bakery")])
    load("users", FIRST, "user_id, age_band, income_band", [("user 1", "25-34", "50-74K")])
    build(FIRST, command="run")  # without dbt's own tests


def publish(*days: date) -> None:
    target = Releases(Catalog(), PostgresStore(), RedisStore(get_settings().redis_url, made_up.PREFIX), 3, 0.0)
    for day in days:
        made_up.publish(target, day)
