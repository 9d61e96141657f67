"""Every query of the analysts' guide on a small shop, as the role analyst; some answers are worked out by hand."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from small_warehouse import build, load

from cartwheel import warehouse
from cartwheel.settings import PROJECT_ROOT, get_settings

GUIDE = (PROJECT_ROOT / "docs/analysts.md").read_text()
QUERIES = {path.stem: path.read_text() for path in sorted((PROJECT_ROOT / "docs/analysts/queries").glob("*.sql"))}
LAST = date(1999, 3, 7)  # a Sunday; the shop opens on it and on the five Sundays before
SUNDAYS = [LAST - timedelta(weeks=weeks) for weeks in range(5, -1, -1)]
ON_FRONT_PAGE = SUNDAYS[3]  # item-1, and twice as many units of it are sold at the same revenue
EVENT = "event_id, event_type, user_id, item_id, event_ts, quantity, value, session_id, region"


def purchases_of(number: int, sunday: date) -> list[tuple]:
    """Ten users, who spend 10, 9, … 1 every Sunday at 17:30 UTC; the last of them stays away on the last two."""
    if number == 9 and sunday >= SUNDAYS[-2]:
        return []
    at = datetime(sunday.year, sunday.month, sunday.day, 17, 30, tzinfo=UTC)
    basket = f"{sunday}-{number}"
    rows = [(f"{basket}-a", "purchase", f"user-{number}", "milk", at, 1, 1, basket, "north")]
    if number < 9:
        quantity = 4 if sunday == ON_FRONT_PAGE and number % 3 == 1 else 2
        rows.append(
            (f"{basket}-b", "purchase", f"user-{number}", f"item-{number % 3}", at, quantity, 9 - number, basket, "north")
        )
    return rows


def load_release(day: date) -> None:
    """Two users are recommended milk, of whom one buys it again; a third is recommended an item that they never buy."""
    lists = [("user-0", "for_you", "milk", "Buy again: often"), ("user-9", "for_you", "milk", "Popular this month"),
             ("user-1", "discover", "item-0", "Because you bought milk")]  # fmt: skip
    build_id = f"{day}.1"
    with warehouse.connect() as connection:
        connection.execute(f"create table serving.user_lists_small partition of serving.user_lists for values in ('{build_id}')")
        connection.execute(
            "insert into serving.builds (build_id, release_id, partition_date, model_version, status)"
            " values (%s, %s, %s, '1', 'ready')", (build_id, str(day), day),
        )  # fmt: skip
        connection.cursor().executemany(
            "insert into serving.user_lists values (%s, %s, %s, %s, %s, %s)",
            [(build_id, user, name, [item], [0.5], [reason]) for user, name, item, reason in lists],
        )


@pytest.fixture(scope="module")
def analyst(empty_warehouse, stores):
    """The small shop is built; a connection as the role analyst."""
    names = ["milk", *(f"item-{number}" for number in range(3))]
    load("items", SUNDAYS[0], "item_id, title, department, category, subcategory",
         [(name, name.title(), "GROCERY", f"category of {name}", name) for name in names])  # fmt: skip
    bands = ["Under 15K", "50-74K", "100-124K"]
    load("users", SUNDAYS[0], "user_id, income_band, household_size",
         [(f"user-{number}", bands[number % 3], "2") for number in range(8)])  # fmt: skip
    load("item_context", ON_FRONT_PAGE, "item_id, starts_on, ends_on, mailer, regions",
         [("item-1", ON_FRONT_PAGE, ON_FRONT_PAGE, "front page feature", 1)])  # fmt: skip
    for sunday in SUNDAYS:
        load("interactions", sunday, EVENT, [row for number in range(10) for row in purchases_of(number, sunday)])
    load_release(SUNDAYS[-2])
    build(LAST, command="run")
    database = get_settings().postgres_dsn.rpartition("/")[2]
    with psycopg.connect(stores.postgres_dsn("analyst", database, "analyst"), autocommit=True) as connection:
        yield connection


def answer(connection: psycopg.Connection, name: str, **thresholds: int) -> list[dict]:
    """The rows of a query; where a shop this small would be left out, with thresholds of its own: `weeks=1`."""
    query = QUERIES[name]
    for column, least in thresholds.items():
        query, replaced = re.subn(rf"\b{column}(\(\*\))? >= \d+", rf"{column}\1 >= {least}", query)
        assert replaced, f"{name} has no threshold on {column}"
    cursor = connection.execute(query.encode())
    return [dict(zip([column.name for column in cursor.description], row, strict=True)) for row in cursor]


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_runs_as_analyst_and_returns_the_columns_that_the_guide_shows(analyst, name):
    cursor = analyst.execute(QUERIES[name].encode())
    shown = re.search(rf"<!-- {name}(?: \d+)? -->\n.*?\n```\n\n\| (.*?) \|\n", GUIDE, re.DOTALL)[1].split(" | ")
    assert [column.name for column in cursor.description] == shown


def test_an_analyst_can_read_nothing_but_marts(analyst):
    for table in ("raw.interactions", "intermediate.int_user_keys", "ops.gate_results", "serving.releases"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst.execute(f"select 1 from {table}")


def test_the_shop_is_as_fresh_as_its_last_file(analyst):
    assert [(row["newest_date"], row["dates"], row["gate"]) for row in answer(analyst, "00_freshness")] == [(LAST, 6, None)]


def test_concentration_of_ten_households(analyst):
    """Over six Sundays 60, 54, … 12, and 4 of the one who stayed away twice: 328 in all."""
    rows = answer(analyst, "01_concentration")
    assert [row["revenue_per_household"] for row in rows] == [60, 54, 48, 42, 36, 30, 24, 18, 12, 4]
    assert [row["share_pct"] for row in rows][:2] == [Decimal("18.3"), Decimal("16.5")]
    assert rows[-1]["cumulative_pct"] == 100


def test_baskets_by_the_hour_of_the_shop(analyst):
    """58 baskets, all on Sundays at 12:30 in New York; 328 of revenue."""
    (row,) = answer(analyst, "07_weekday_and_hour")
    assert (row["day"], row["hour"], row["baskets"], row["mean_revenue"]) == ("Sun", 12, 58, Decimal("5.66"))


def test_who_is_overdue(analyst):
    """Nine come every seven days and came on the last date; the tenth has only three gaps, too few to judge."""
    (row,) = answer(analyst, "12_overdue")
    assert (row["state"], row["households"], row["median_usual_gap_days"], row["median_silent_days"]) == ("1: on time", 9, 7, 0)


def test_the_front_page_doubles_the_units_at_half_the_price(analyst):
    """item-1 sells 6 units in each of five weeks and 12 in the promoted one; one item alone has no interval."""
    (row,) = answer(analyst, "03_front_page", weeks=1)
    assert (row["promotion"], row["stores"], row["items"], row["item_weeks"]) == ("front page", "1-49", 1, 1)
    assert (row["lift"], row["plus_minus"], row["price_change_pct"]) == (2, None, -50)


def test_a_category_grows_against_the_weeks_before(analyst):
    """Milk: 10 on each of the two Sundays before the last four, 9 or 10 on those: 38 against 20 / 3."""
    row = next(row for row in answer(analyst, "08_growing_categories") if row["category"] == "category of milk")
    assert (row["usual_4_weeks"], row["last_4_weeks"], row["change"], row["change_pct"]) == (7, 38, 31, 470)


def test_what_the_recommended_lists_hit(analyst):
    rows = {row["list"]: row for row in answer(analyst, "13_recommendation_hits")}
    shown = ("rank_band", "days_observed", "recommended", "bought", "hit_pct", "buy_again_pct", "other_reasons_pct")
    assert [rows["for_you"][column] for column in shown] == ["01-05", 7, 2, 1, 50, 100, 0]
    assert [rows["discover"][column] for column in shown] == ["01-05", 7, 1, 0, 0, None, 0]


def test_what_had_been_recommended_beforehand(analyst):
    """On the last date nine users buy two items each, for 54 in all; one of them, for 1, had been recommended."""
    (row,) = answer(analyst, "14_recommended_beforehand")
    assert (row["item"], row["purchases"], row["in_for_you_pct"]) == ("bought before", 18, Decimal("5.6"))
    assert (row["in_discover_pct"], row["revenue_listed_pct"]) == (0, Decimal("1.9"))


def test_what_is_bought_together(analyst):
    """Milk is in all 38 baskets of the last four weeks, each item in 12 of them: as often as by chance."""
    rows = answer(analyst, "15_bought_together", count=1)
    assert [(row["category"], row["with_category"]) for row in rows] == [
        (f"category of item-{number}", "category of milk") for number in range(3)
    ]
    assert {(row["together"], row["of_first_pct"], row["of_second_pct"], row["lift"]) for row in rows} == {
        (12, 100, Decimal("31.6"), 1)
    }


def test_a_shop_too_small_for_a_judgement_gets_none(analyst):
    for name in ("02_lapsing", "03_front_page", "06_repeat_gap", "10_price_points", "11_income_mix", "15_bought_together"):
        assert answer(analyst, name) == [], name
