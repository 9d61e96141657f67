"""A made-up shop in a lake of files, and the same shop with another future and past, more views and in another order."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from cartwheel.contracts import LAKE_SCHEMAS

DAY = date(2017, 3, 31)
HISTORY_DAYS = 100
USERS, ITEMS, VISITS = 30, 24, 9
NO_PURCHASE = ("impression", "view", "click", "add_to_cart", "rating", "search")
SNAPSHOTS = ("items", "users", "item_context", "no_consent")
FIRST_DAY = DAY - timedelta(days=HISTORY_DAYS - 1)

Rows = list[dict]


@dataclass
class Shop:
    """Rows by dataset and partition."""

    partitions: dict[tuple[str, date], Rows] = field(default_factory=dict)

    def add(self, dataset: str, day: date, rows: Rows) -> None:
        self.partitions.setdefault((dataset, day), []).extend(rows)

    def write(self, root: Path, draw: Random | None = None) -> None:
        """Every partition as one file in the order of the rows; with a `draw`, as several files in any order."""
        for (dataset, day), rows in self.partitions.items():
            folder = root / dataset / f"date={day}"
            folder.mkdir(parents=True)
            rows = draw.sample(rows, len(rows)) if draw else rows
            files = draw.randint(1, 3) if draw else 1
            for number in range(files):
                table = pa.Table.from_pylist(rows[number::files], LAKE_SCHEMAS[dataset])
                pq.write_table(table, folder / f"part-{draw.randint(0, 10**9) if draw else 0}-{number}.parquet")
            (folder / "_SUCCESS").touch()


def shop(draw: Random) -> Shop:
    """Users who prefer a third of the items, over the days of the history; everything known at the end of `DAY`."""
    made = Shop()
    for rows in visits(draw, USERS * VISITS, FIRST_DAY, DAY):
        made.add("interactions", rows[0]["event_ts"].date(), rows)
    made.add("interactions", DAY, visit(draw, 1, DAY))
    for user in range(6):  # the last two items are new
        first, *_ = visit(draw, user, DAY - timedelta(days=3))
        made.add("interactions", DAY - timedelta(days=3), [first | {"item_id": f"i{ITEMS + user % 2}", "event_type": "purchase"}])
    add_snapshots(made, draw, DAY)
    return made


def with_another_future_and_past(known: Shop, draw: Random) -> Shop:
    """The same shop, with events and snapshots after `DAY` and before its history: some in the partitions of the history.

    Users have looked at more items, too: of a user's own events, purchases alone decide what is recommended.
    """
    made = Shop({key: list(rows) for key, rows in known.partitions.items()})
    later, earlier = DAY + timedelta(days=1), FIRST_DAY - timedelta(days=1)
    for rows in visits(draw, 20, later, DAY + timedelta(days=20), strangers=3):
        made.add("interactions", rows[0]["event_ts"].date(), rows)
    for rows in visits(draw, 20, FIRST_DAY - timedelta(days=400), earlier, strangers=3):
        made.add("interactions", rows[0]["event_ts"].date(), rows)
    made.add("interactions", later, visit(draw, 4, later))
    made.add("interactions", DAY, visit(draw, 2, later))  # of the next day, in the last partition
    made.add("interactions", FIRST_DAY, visit(draw, 3, earlier))  # of the day before, in the first partition
    for rows in visits(draw, 40, FIRST_DAY, DAY, strangers=3):
        looked_at = [row | {"event_type": draw.choice(NO_PURCHASE)} for row in rows]
        made.add("interactions", rows[0]["event_ts"].date(), looked_at)
    for day in (later, DAY + timedelta(days=9), earlier, DAY - timedelta(days=7)):
        add_snapshots(made, draw, day)
    return made


def visits(draw: Random, count: int, first: date, last: date, strangers: int = 0) -> list[Rows]:
    days = (last - first).days
    return [visit(draw, draw.randrange(USERS + strangers), first + timedelta(days=draw.randint(0, days))) for _ in range(count)]


def visit(draw: Random, user: int, day: date) -> Rows:
    """Purchases of one visit, and now and then a view; sessions, quantities and values are missing in places."""
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=draw.randrange(86_399))
    session = draw.choice([None, f"s{draw.randrange(10**9)}", f"s{draw.randrange(10**9)}"])
    favourites = [number for number in range(ITEMS) if number % 3 == user % 3]
    numbers = {draw.choice(favourites) if draw.random() < 0.7 else draw.randrange(ITEMS) for _ in range(draw.randint(1, 5))}
    rows = []
    for number in sorted(numbers):
        quantity = draw.choice([1.0, 1.0, 2.0, 0.35, None])
        price = round((number + 1) * draw.choice([1.0, 1.0, 0.8]), 2)
        rows.append(
            {
                "event_id": f"e{draw.randrange(10**12)}",
                "event_type": draw.choice(["purchase"] * 9 + ["view"]),
                "user_key": f"u{user:02}",
                "item_id": f"i{number:02}",
                "event_ts": moment,
                "quantity": quantity,
                "price": price,
                "value": draw.choice([None, -price] + [price * (quantity or 1)] * 12),
                "session_id": session,
                "region": draw.choice(["north", "south", None]),
                "surface": draw.choice(["home", "search"]),
                "device": draw.choice(["app", "web"]),
            }
        )
    return rows


def add_snapshots(made: Shop, draw: Random, day: date) -> None:
    """What is known of items and users at the end of a day: another draw tells another story."""
    items = [
        {
            "item_id": f"i{number:02}",
            "title": f"{draw.choice(['Fine', 'Plain', 'Old'])} {draw.choice(['tea', 'jam', 'milk'])} {number % 3}, {number} oz",
            "description": draw.choice([None, "From the hills.", "For cold days."]),
            "department": draw.choice(["food", "food", "home"]),
            "category": f"c{(number + draw.randrange(2)) % 4}",
            "subcategory": draw.choice([f"c{number % 4}-{number % 2}", None]),
            "brand": draw.choice(["Own", "Own", "Leaf", None]),
            "price": draw.choice([None, float(number + 1)]),
            "available": draw.choice([True, True, True, None]),
        }
        for number in range(ITEMS + 2)
    ]
    users = [
        {
            "user_key": f"u{number:02}",
            "age_band": draw.choice(["19-24", "65+", None]),
            "region": draw.choice(["north", "south"]),
            "income_band": draw.choice(["Under 15K", "50-74K", None]),
            "household_size": draw.choice(["1", "5+"]),
        }
        for number in range(USERS - 2)
    ]
    promotions = [
        {
            "item_id": f"i{draw.randrange(ITEMS):02}",
            "starts_on": day - timedelta(days=draw.randrange(7)),
            "ends_on": day + timedelta(days=draw.randrange(7)),
            "mailer": draw.choice([None, "front page"]),
            "display": draw.choice([None, "store front"]),
            "regions": draw.randint(1, 9),
        }
        for _ in range(6)
    ]
    snapshots = (items, users, promotions, [{"user_key": f"u{draw.randrange(USERS):02}"}])
    for dataset, rows in zip(SNAPSHOTS, snapshots, strict=True):
        made.add(dataset, day, rows)
