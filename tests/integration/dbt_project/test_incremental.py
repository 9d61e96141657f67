"""Marts built date by date, with late, replaced and emptied files in between, are those of one build from scratch.

The shop is made up and wild: every event type, missing sessions, prices and items, catalogues that change and repeat
themselves, promotions delivered again, and two releases whose items are bought.
"""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from small_warehouse import build, checksums, load, query

from cartwheel import warehouse

USERS = [f"user-{n}" for n in range(12)]
ITEMS = [f"item-{n}" for n in range(15)]
START = date(1999, 1, 22)
# Over two ends of months and several weeks, with days without any file.
DAYS = [START + timedelta(days=n) for n in range(46) if n % 7 != 4]
TYPES = ["impression", "view", "click", "add_to_cart", "purchase", "purchase", "purchase", "rating", "search"]
EVENT = "event_id, event_type, user_id, item_id, event_ts, quantity, price, value, session_id, surface, region"

pytestmark = pytest.mark.usefixtures("empty_warehouse")


def load_events(day: date, chance: random.Random, rows: int) -> None:
    events = []
    for number in range(rows):
        kind = chance.choice(TYPES)
        user = chance.choice(USERS)
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=chance.randrange(1440))
        quantity = chance.choice([None, 1, 2, 0.1, 0.7])
        value = chance.choice([None, 0.0, 1.1, 2.35, -0.5]) if kind == "purchase" else None
        session = chance.choice([None, f"session-{user}-{chance.randrange(3)}", "shared"])
        item = None if kind == "search" else chance.choice(ITEMS)
        region = chance.choice([None, "north", "south"])
        events.append((f"{day}-{number}", kind, user, item, at, quantity, chance.choice([None, 0.3, 1.7]), value, session,
                       chance.choice([None, "home"]), region))  # fmt: skip
    load("interactions", day, EVENT, events)


def load_catalogue(day: date, chance: random.Random) -> None:
    listed = chance.sample(ITEMS, chance.randrange(8, 14))
    titles, departments, categories = ["a title", "another"], ["D", None], ["c1", "c2"]
    items = [(item, chance.choice(titles), chance.choice(departments), chance.choice(categories)) for item in listed]
    load("items", day, "item_id, title, department, category", items)
    described = chance.sample(USERS, chance.randrange(3, 9))
    users = [(user, chance.choice(["25-34", None]), chance.choice([None, True, False])) for user in described]
    load("users", day, "user_id, age_band, consent", users)


def load_promotions(day: date, chance: random.Random) -> None:
    keys = {(chance.choice(ITEMS), day - timedelta(days=day.weekday()) + timedelta(days=7 * chance.randrange(-1, 2)),
             chance.choice([None, "front page", "back page"]), chance.choice([None, "end cap"])) for _ in range(8)}  # fmt: skip
    rows = [(*key, key[1] + timedelta(days=chance.randrange(12)), chance.choice([None, 1, 3])) for key in sorted(keys, key=str)]
    load("item_context", day, "item_id, starts_on, mailer, display, ends_on, regions", rows)


def load_release(day: date, chance: random.Random) -> None:
    """A release that is served: two lists for every user, in the layout of serving."""
    build_id = f"{day}.1"
    rows = [
        (build_id, user, name, chance.sample(ITEMS, 7), [0.5] * 7,
         chance.choices(["Buy again: often", "Because you bought X", "Popular this month"], k=7))
        for user in USERS for name in ("for_you", "discover")
    ]  # fmt: skip
    with warehouse.connect() as connection:
        connection.execute(
            f"create table serving.user_lists_{day:%Y%m%d} partition of serving.user_lists for values in ('{build_id}')"
        )
        connection.execute(
            "insert into serving.builds (build_id, release_id, partition_date, model_version, status)"
            " values (%s, %s, %s, '1', 'ready')", (build_id, str(day), day),
        )  # fmt: skip
        connection.cursor().executemany("insert into serving.user_lists values (%s, %s, %s, %s, %s, %s)", rows)


def define_experiment(starts_on: date, ends_on: date) -> None:
    """Half of the users in either variant, wherever they are shown anything."""
    rows = [("home", variant, variant == "a", 0.5, first, first + 5000, starts_on, ends_on, "{}")
            for variant, first in (("a", 0), ("b", 5000))]  # fmt: skip
    with warehouse.connect() as connection:
        connection.cursor().executemany(
            "insert into ops.experiment_variants (experiment, variant, is_control, share, first_bucket, until_bucket,"
            " starts_on, ends_on, uses) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)", rows,
        )  # fmt: skip


def note_built() -> None:
    """What the export does last."""
    with warehouse.connect() as connection:
        connection.execute(
            "insert into ops.built_dates (business_date, last_file_id)"
            " select business_date, last_file_id from intermediate.int_dates_to_build"
            " on conflict (business_date) do update set last_file_id = excluded.last_file_id"
        )


def test_built_date_by_date_or_from_scratch_the_marts_are_the_same(empty_warehouse):
    chance = random.Random(1999)
    early, middle, last = DAYS[:20], DAYS[20:37], DAYS[37:]
    for day in early:
        load_events(day, chance, chance.randrange(10, 40))
        load_catalogue(day, chance)
        load_promotions(day, chance)
    load_release(early[-4], chance)
    define_experiment(early[3], last[-1])
    build(early[-1], command="run")
    note_built()
    first = checksums()

    for day in middle:  # several dates at once, one of them without a catalogue,
        load_events(day, chance, chance.randrange(0, 40))
        load_promotions(day, chance)
        if day != middle[3]:
            load_catalogue(day, chance)
    load_release(middle[3], chance)
    load_events(early[8], chance, 30)  # and late: replaced,
    load_events(early[11], chance, 0)  # emptied,
    load_events(early[9] - timedelta(days=7), chance, 5)  # a date that had no file,
    load_catalogue(early[10], chance)  # another catalogue
    load_promotions(middle[2], chance)
    build(middle[-1], command="run")
    note_built()

    for day in last:  # an ordinary day or two
        load_events(day, chance, chance.randrange(5, 40))
        load_catalogue(day, chance)
    build(last[-1], command="run")
    note_built()
    by_date = checksums()

    build(last[-1], "--full-refresh", command="run")
    from_scratch = checksums()
    assert {mart for mart in by_date if by_date[mart] != from_scratch[mart]} == set()
    assert len(by_date) >= 20
    assert {mart for mart, (rows, _) in by_date.items() if rows == 0} == {"gate_results", "experiment_results"}
    assert {mart for mart in by_date if first[mart] == by_date[mart]} <= {"gate_results", "experiment_results", "dim_dates"}
    assert query("select count(*) from marts.fct_sessions where session_key ~ '^[0-9a-f]{32}-1999'")[0][0] > 20
    assert query("select max(versions) from (select count(*) as versions from marts.dim_items group by item_id) as t")[0][0] > 5
