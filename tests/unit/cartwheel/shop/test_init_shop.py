"""What `init-shop` makes of files that are unlike the samples: the mapping is compared, and that it loads is implied."""

from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cartwheel.shop.init_shop import NothingToMapError, propose
from cartwheel.shop.kinds import kind_of
from cartwheel.shop.mapping import Source, parse_mapping


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))


def sources(folder: Path) -> dict[str, Source]:
    return {source.name: source for source in parse_mapping(propose(folder), "shop.yaml").sources}


def given(source: Source) -> dict[str, object]:
    """Each field's way and settings."""
    assert source.spec.fields is not None
    return {name: field.model_dump(exclude_defaults=True) for name, field in source.spec.fields.items()}


def test_behaviours_without_a_header_are_known_by_their_values(tmp_path: Path):
    behaviours = ["pv", "pv", "pv", "cart", "fav", "buy"]
    rows = [
        f"{1 + i // 8},{2268318 + i % 7},{2520377 + i % 7 // 2},{behaviours[i % 6]},{1511544070 + i * 1234}" for i in range(48)
    ]
    write(tmp_path, "UserBehavior.csv", "\n".join(rows) + "\n")
    found = sources(tmp_path)["userbehavior"]
    assert found.spec.format.columns == ("user", "item", "category", "event", "time")
    assert given(found)["event_type"] == {"column": "event", "map": {"pv": "view", "cart": "add_to_cart", "buy": "purchase"}}
    assert given(found)["event_ts"] == {"column": "time", "format": ["unix_s"]}
    assert found.spec.where == 'event not in ["fav"]'


def test_files_by_month_are_one_source_and_levels_of_categories_are_told_apart(tmp_path: Path):
    head = "event_time,event_type,product_id,category_code,brand,price,user_id,user_session\n"
    for month in ("Oct", "Nov"):
        rows = [
            f"2019-10-01 00:00:{i:02d} UTC,view,{44600062 + i},electronics.audio.headphone,sony,35.79,{5 + i},s{i}"
            for i in range(9)
        ]
        write(tmp_path, f"2019-{month}.csv", head + "\n".join(rows) + "\n")
    found = sources(tmp_path)
    assert list(found) == ["files", "files_items"]
    assert found["files"].matches("2019-Oct.csv") and found["files"].matches("2019-Nov.csv")
    assert given(found["files_items"])["department"] == {"expression": 'part(category_code, ".", 0)'}
    assert found["files_items"].row_date


def test_the_date_in_the_name_tells_day_from_month(tmp_path: Path):
    for day in ("01", "02"):
        rows = [f'{day}/12/2017,{8 + i}:15,c{i},A-{i},1,"3,{i:02d}"' for i in range(9)]
        write(tmp_path, f"sales_201712{day}.csv", "date,time,customer,sku,qty,total\n" + "\n".join(rows) + "\n")
    found = sources(tmp_path)["sales"]
    assert given(found)["event_ts"] == {"expression": 'concat(date, " ", time)', "format": ["%d/%m/%Y %H:%M"]}
    assert given(found)["value"] == {"column": "total", "decimal": ","}
    assert found.file_date("sales_20171202.csv") == date(2017, 12, 2)


def test_a_date_in_the_name_that_is_not_the_rows_date_is_not_taken(tmp_path: Path):
    rows = [f"u{i},p{i},2017-0{1 + i}-03 10:00:00,9.99" for i in range(9)]
    write(tmp_path, "export_2018-05-01.csv", "user_id,product_id,created_at,price\n" + "\n".join(rows) + "\n")
    found = sources(tmp_path)["export"]
    assert found.file_date("export_2018-05-01.csv") is None and found.matches("export_2018-06-01.csv")


def test_words_for_nothing_are_found_among_numbers(tmp_path: Path):
    rows = [f"{'NA' if i % 3 else 17 + i};{81766 + i};2016-05-09;None" for i in range(30)]
    write(tmp_path, "views.csv", "userId;itemId;eventdate;colour\n" + "\n".join(rows) + "\n")
    found = sources(tmp_path)["views"]
    assert found.spec.empty == ("NA", "None")
    assert found.spec.where == "userId is not None"


def test_parquet(tmp_path: Path):
    times = [datetime(2024, 1, 1, hour) for hour in range(24)]
    table = pa.table({"user_id": [1, 2, 3] * 8, "item_id": list(range(24)), "ts": times, "event": ["click", "buy"] * 12})
    pq.write_table(table, tmp_path / "events.parquet")
    found = sources(tmp_path)["events"]
    assert given(found)["event_ts"] == {"column": "ts"}
    assert given(found)["event_type"] == {"column": "event", "map": {"buy": "purchase", "click": "click"}}
    assert found.format_of("events.parquet").type == "parquet"


def test_promotions(tmp_path: Path):
    write(
        tmp_path,
        "promo.csv",
        "sku,start_date,end_date,leaflet\n" + "".join(f"A{i},0{i + 1}.12.2017,24.12.2017,front\n" for i in range(8)),
    )
    found = sources(tmp_path)["promo"]
    assert found.contract.name == "item_context"
    assert given(found)["starts_on"] == {"column": "start_date", "format": ["%d.%m.%Y"]}
    assert found.row_date


def test_two_catalogues_of_the_same_items_are_a_doubt(tmp_path: Path):
    write(tmp_path, "products.csv", "itemId;name\n" + "".join(f"{i};thing {i}\n" for i in range(9)))
    write(tmp_path, "product-categories.csv", "itemId;categoryId\n" + "".join(f"{i};{i % 3}\n" for i in range(9)))
    assert "# doubt: a second catalogue beside product_categories" in propose(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("empty.csv", "", "it is empty"),
        ("all.json", '[{"a": 1}, {"a": 2}]', "it is one JSON array"),
        ("meta.json", "{'asin': '1', 'title': 'x'}\n{'asin': '2'}\n", "no JSON object per line"),
        ("shop.xlsx", "PK", "save each sheet as CSV"),
        ("ratings.csv", "User-ID;ISBN;Book-Rating\n1;2;3\n4;5;6\n", "events need a time or a date in the name"),
        ("orders.csv", "order_id,customer_id,order_status\n1,2,paid\n3,4,paid\n", "it has users, but nothing about them"),
    ],
)
def test_what_cannot_be_placed_is_told_with_the_reason(tmp_path: Path, name: str, text: str, why: str):
    write(tmp_path, name, text)
    with pytest.raises(NothingToMapError, match=why):
        propose(tmp_path)


@pytest.mark.parametrize(
    ("values", "name", "spelling"),
    [
        (["12/1/2010 8:26", "12/13/2010 18:26"], "time", "%m/%d/%Y %H:%M"),
        (["13.1.2010", "1.12.2010"], "time", "%d.%m.%Y"),
        (["20171201", "20171231"], "time", "%Y%m%d"),
        (["2017-12-01T10:00:00Z"], "time", "iso"),
        (["1433221332117", "1433224214164"], "epoch", "unix_ms"),
        (["1433221332", "1433224214"], "epoch", "unix_s"),
        (["17850", "13047"], "integer", None),
        (["1,50", "12,99"], "number", None),
        (["0663713001", "0541518023"], "integer", None),
        (["Y", "N", "Y"], "flag", None),
        (["a", "b"], "text", None),
        ([None, ""], "empty", None),
    ],
)
def test_kinds_of_columns(values: list, name: str, spelling: str | None):
    kind = kind_of(values)
    assert (kind.name, kind.format) == (name, spelling)
