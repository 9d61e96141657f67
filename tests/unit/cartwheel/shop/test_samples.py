"""Samples in the exact shapes of public data sets: what `init-shop` proposes loads unchanged, `check-shop` accounts for
every row with it, and the events and items are those that a person reads in the files.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cartwheel import landing
from cartwheel.shop.check_shop import ShopCheck, check_folder
from cartwheel.shop.init_shop import propose
from cartwheel.shop.mapping import Mapping, parse_mapping

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache
def proposed(shop: str) -> tuple[str, Mapping]:
    text = propose(SAMPLES / shop)
    return text, parse_mapping(text, f"{shop}.yaml")


@lru_cache
def checked(shop: str) -> ShopCheck:
    return check_folder(SAMPLES / shop, proposed(shop)[1])


def rows(shop: str, dataset: str) -> list[dict[str, Any]]:
    """The accepted rows of a dataset, without the empty fields, in the order of the files."""
    frames = []
    for path in sorted(path for path in (SAMPLES / shop).rglob("*") if path.is_file()):
        key = path.relative_to(SAMPLES / shop).as_posix()
        for source in proposed(shop)[1].sources_of(key):
            if source.contract.name == dataset:
                for chunk in landing.read_chunks(path, source.format_of(key)):
                    frames.append(landing.check(chunk, source, key, source.file_date(key), NOW).good)
    return [{name: value for name, value in row.items() if value is not None} for row in pl.concat(frames).to_dicts()]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


SHOPS = sorted(path.name for path in SAMPLES.iterdir())


def test_there_are_samples_of_every_shape():
    assert SHOPS == [
        "amazon", "datefolders", "hm", "instacart", "lastfm", "movielens", "movielens_1m", "olist_like", "online_retail",
        "retailrocket", "tafeng", "yoochoose",
    ]  # fmt: skip


# read, accepted, rejected, duplicates, left out: counted by hand in the files
ACCOUNTS = {
    "amazon": {"meta_musical_instruments": (5, 5, 0, 0, 0), "reviews_musical_instruments": (20, 20, 0, 0, 0)},
    # of 6 events a day one is a wish; their 4 items stand in 6 rows
    "datefolders": {"events": (15, 15, 0, 0, 3), "events_items": (18, 12, 0, 6, 0)},
    "hm": {"articles": (4, 4, 0, 0, 0), "customers": (3, 3, 0, 0, 0), "transactions_train": (24, 24, 0, 0, 0)},
    "instacart": {"products": (3, 3, 0, 0, 0)},
    "movielens": {"movies": (7, 7, 0, 0, 0), "ratings": (24, 24, 0, 0, 0)},
    "movielens_1m": {"movies": (5, 5, 0, 0, 0), "ratings": (20, 20, 0, 0, 0), "users": (4, 4, 0, 0, 0)},
    "olist_like": {"pedidos": (24, 24, 0, 0, 0), "pedidos_items": (24, 24, 0, 0, 0)},
    # 35 rows: two returns, two without a customer; "Adjust bad debt" at a negative price
    "online_retail": {"online_retail": (31, 30, 1, 0, 4), "online_retail_items": (32, 18, 0, 14, 3)},
    # 38 properties: 11 categories, one of them changed a week later
    "retailrocket": {"events": (30, 30, 0, 0, 0), "item_properties_part": (12, 12, 0, 0, 26)},
    "tafeng": {"files": (31, 31, 0, 0, 0), "files_items": (31, 31, 0, 0, 0)},
    "yoochoose": {
        "yoochoose_buys": (8, 8, 0, 0, 0), "yoochoose_clicks": (36, 36, 0, 0, 0), "yoochoose_clicks_items": (36, 27, 0, 9, 0),
    },
}  # fmt: skip


@pytest.mark.parametrize("shop", sorted(ACCOUNTS))
def test_every_row_is_accounted_for(shop: str):
    accounts: dict[str, tuple[int, ...]] = {}
    for check in checked(shop).files:
        counts = (check.rows_read, check.accepted, check.rejected, check.duplicates, check.filtered)
        accounts[check.source] = tuple(map(sum, zip(counts, accounts.get(check.source, (0,) * 5), strict=True)))
        assert check.error is None
        assert check.rows_read == check.accepted + check.rejected + check.duplicates
    assert accounts == ACCOUNTS[shop]


@pytest.mark.parametrize("shop", [shop for shop in SHOPS if shop != "instacart"])
def test_nothing_of_a_proposed_mapping_would_fail_the_gate(shop: str):
    assert checked(shop).failures == []


def test_retailrocket():
    events, items = rows("retailrocket", "interactions"), rows("retailrocket", "items")
    assert events[0] == {
        "business_date": date(2015, 6, 2), "line": 2, "event_id": "events.csv:2", "event_type": "view", "user_id": "257597",
        "item_id": "355908", "event_ts": at(2015, 6, 2, 5, 2, 12, 117000),
    }  # fmt: skip
    assert checked("retailrocket").events_by_type == {"add_to_cart": 4, "purchase": 2, "view": 24}
    assert [event["session_id"] for event in events if event["event_type"] == "purchase"] == ["4028", "4029"]
    assert items[0] | {"line": 0} == {"business_date": date(2015, 5, 10), "line": 0, "item_id": "355908", "category": "1338"}
    assert [item["category"] for item in items if item["item_id"] == "355908"] == ["1338", "1400"]  # before and after 17 May
    assert checked("retailrocket").unread == ["category_tree.csv"]


def test_retailrocket_availability_can_be_picked_instead():
    text = (
        proposed("retailrocket")[0]
        .replace('property == "categoryid"', 'property == "available"')
        .replace("category: value", "available: value")
    )
    mapping = parse_mapping(text, "shop.yaml")
    source = next(source for source in mapping.sources if source.contract.name == "items")
    path = SAMPLES / "retailrocket/item_properties_part1.csv"
    chunks = landing.read_chunks(path, source.format_of(path.name))
    good = pl.concat(landing.check(chunk, source, path.name, None, NOW).good for chunk in chunks)
    assert good.select("item_id", "available").rows()[:2] == [("355908", False), ("355909", True)]


def test_online_retail():
    events, items = rows("online_retail", "interactions"), rows("online_retail", "items")
    assert events[0] == {
        "business_date": date(2010, 12, 1), "line": 2, "event_id": "online_retail.csv:2", "event_type": "purchase",
        "user_id": "17850", "item_id": "85123A", "event_ts": at(2010, 12, 1, 8, 26), "quantity": 6.0, "price": 2.55,
        "session_id": "536365", "region": "United Kingdom",
    }  # fmt: skip
    assert {event["user_id"] for event in events} == {"17850", "13047", "12583"}
    assert events[-1]["business_date"] == date(2010, 12, 13)  # 12/13/2010: the month stands first
    titles = {item["item_id"]: item["title"] for item in items}
    assert titles["21730"] == "GLASS STAR CAFÉ LIGHT £5"  # latin-1
    assert titles["84029E"] == "RED WOOLLY HOTTIE, WHITE HEART."  # quoted comma
    reasons = [(reason.reason, reason.rows, reason.examples) for reason in checked("online_retail").reasons]
    line = "A563185,B,Adjust bad debt,1,8/12/2011 14:50,-11062.06,17850.0,United Kingdom"
    assert reasons == [("too_small: price", 1, [{"file": "online_retail.csv", "line": 36, "original": line}])]


def test_movielens():
    events, items = rows("movielens", "interactions"), rows("movielens", "items")
    assert events[0] == {
        "business_date": date(2000, 7, 30), "line": 2, "event_id": "ratings.csv:2", "event_type": "rating", "user_id": "1",
        "item_id": "1", "event_ts": at(2000, 7, 30, 18, 45, 3), "value": 4.0,
    }  # fmt: skip
    assert items[3] == {
        "business_date": date(2000, 7, 30), "line": 5, "item_id": "11", "title": "American President, The (1995)",
        "category": "Comedy",
    }  # fmt: skip


def test_movielens_of_old_with_two_colons_and_latin_1():
    events, items, users = (rows("movielens_1m", dataset) for dataset in ("interactions", "items", "users"))
    assert (events[0]["user_id"], events[0]["item_id"], events[0]["value"]) == ("1", "1193", 1.0)
    assert events[0]["event_ts"] == at(2000, 12, 31, 22, 12, 40)
    assert (items[4]["title"], items[4]["category"]) == ("Les Misérables (1998)", "Drama")
    assert items[1]["category"] == "Animation"
    assert [user["user_id"] for user in users] == ["1", "2", "3", "4"]


def test_yoochoose_without_headers():
    events = rows("yoochoose", "interactions")
    bought, clicked = events[0], events[8]
    assert (bought["event_type"], bought["user_id"], bought["item_id"]) == ("purchase", "420374", "214536502")
    assert (bought["event_ts"], bought["price"], bought["quantity"]) == (at(2014, 4, 6, 18, 44, 50, 314000), 12462.0, 1.0)
    assert (clicked["event_type"], clicked["user_id"], clicked["event_ts"]) == ("click", "1", at(2014, 4, 7, 10, 50, 9, 277000))
    assert {item["category"] for item in rows("yoochoose", "items")} == {"0", "S", "5"}


def test_amazon_reviews_with_nested_categories():
    events, items = rows("amazon", "interactions"), rows("amazon", "items")
    assert events[1] | {"context": ""} == {
        "business_date": date(2009, 9, 16), "line": 2, "event_id": "reviews_Musical_Instruments_5.json.gz:2",
        "event_type": "rating", "user_id": "A1SUAM1J3GNN3B",
        "item_id": "0000013711", "event_ts": at(2009, 9, 16), "value": 2.0, "context": "",
    }  # fmt: skip
    assert "reviewerName" not in events[1]["context"] and "McDonald" not in events[1]["context"]
    assert [items[0][name] for name in ("item_id", "department", "category", "subcategory", "price")] == [
        "0000013710", "Sports & Outdoors", "Other Sports", "Dance", 3.17,
    ]  # fmt: skip
    assert "price" not in items[3]
    assert items[4]["department"] == "Musical Instruments" and "category" not in items[4]


def test_hm_keeps_leading_zeros_and_dates_rows_by_the_day():
    events, items, users = (rows("hm", dataset) for dataset in ("interactions", "items", "users"))
    assert events[0] == {
        "business_date": date(2018, 9, 20), "line": 2, "event_id": "transactions_train.csv:2", "event_type": "purchase",
        "user_id": "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318", "item_id": "0663713001",
        "event_ts": at(2018, 9, 20), "price": 0.050830508474576264, "device": "1",
    }  # fmt: skip
    assert {event["item_id"] for event in events} == {item["item_id"] for item in items}
    assert (items[0]["title"], items[0]["department"], items[0]["subcategory"]) == ("Strap top", "Jersey Basic", "Vest top")
    assert [user["age_band"] for user in users] == ["40-49", "20-29", "20-29"]


def test_instacart_has_no_dates_so_its_orders_cannot_be_events():
    text, mapping = proposed("instacart")
    assert [source.name for source in mapping.sources] == ["products"]
    assert "#   orders.csv: it has a user, but lacks an item, a time or a date in the name" in text
    assert checked("instacart").failures == ["no file of interactions: nothing can be recommended without them"]


def test_semicolons_quotes_and_decimal_commas():
    events = rows("olist_like", "interactions")
    assert (events[0]["price"], events[0]["event_ts"]) == (29.99, at(2017, 10, 2, 10, 56, 33))
    assert '"customer_city":"são paulo"' in events[0]["context"]
    assert checked("olist_like").unread == ["nota.txt"]


def test_lastfm_tabs_quotes_that_mean_nothing_and_any_letters():
    events, items = rows("lastfm", "interactions"), rows("lastfm", "items")
    assert len(events) == 24
    assert (events[0]["user_id"], events[0]["event_ts"]) == ("user_000001", at(2009, 5, 4, 23, 8, 57))
    assert {item["title"] for item in items} == {"Deep Dish", "坂本龍一", "Underworld", "Mötley Crüe"}


def test_tafeng_says_that_day_and_month_may_be_meant_the_other_way():
    events = rows("tafeng", "interactions")
    assert (events[6]["user_id"], events[6]["event_ts"], events[6]["quantity"]) == ("01104906", at(2000, 11, 2), 1.0)
    assert "may be %m/%d/%Y or %d/%m/%Y" in proposed("tafeng")[0]


def test_date_folders_of_nested_json():
    events = rows("datefolders", "interactions")
    assert events[0] == {
        "business_date": date(2024, 3, 29), "line": 1, "event_id": "2024-03-29-0", "event_type": "view", "user_id": "u0",
        "item_id": "S0", "event_ts": at(2024, 3, 29, 0, 30), "quantity": 1.0, "price": 12.5,
    }  # fmt: skip
    assert checked("datefolders").events_by_type == {"add_to_cart": 6, "purchase": 3, "view": 6}
    assert "example.com" not in str(events)  # the users' addresses are left out


def test_a_zone_moves_times_and_rejects_those_that_daylight_saving_skips():
    text = proposed("datefolders")[0].replace("timezone: UTC", "timezone: Europe/Berlin")
    result = check_folder(SAMPLES / "datefolders", parse_mapping(text, "shop.yaml"))
    # On 31 March 2024 Berlin's clocks went from 02:00 to 03:00.
    assert [(reason.reason, reason.rows, reason.examples[0]["line"]) for reason in result.reasons] == [
        ("nonexistent_time: event_ts", 1, 3)
    ]
    assert result.failures == [
        "events/date=2024-03-31/part-00002.jsonl.gz: 1 of 5 rows rejected by source events, allowed is a share of 0.05"
    ]


@pytest.mark.parametrize("shop", SHOPS)
def test_doubts_stand_beside_the_lines_they_are_about(shop: str):
    text = proposed(shop)[0]
    assert all("# doubt: " in line or not line.strip().startswith("# doubt") for line in text.splitlines())
    assert propose(SAMPLES / shop) == text
