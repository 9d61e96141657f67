"""A shop's YAML: what it says, and the messages about what it cannot say."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwheel.contracts import LANDING_CONTRACTS
from cartwheel.shop.keys import compile_glob
from cartwheel.shop.mapping import MappingError, Source, built_in_mapping, parse_mapping, read_mapping

EVENT_FIELDS = "event_id: '{file}:{line}', event_type: {value: purchase}, user_id: u, event_ts: t"


def one(settings_and_fields: str, shop: str = "") -> Source:
    return parse_mapping(f"{shop}\nsources:\n  tx: {{{settings_and_fields}}}", "shop.yaml").sources[0]


def events(fields: str = "", more: str = "", shop: str = "") -> Source:
    return one(f"dataset: interactions, files: 'x.csv', {more} fields: {{{EVENT_FIELDS}{fields}}}", shop)


def apply(source: Source, key: str = "x.csv", **columns: list[str | None]) -> list[dict]:
    count = len(next(iter(columns.values())))
    frame = pl.DataFrame({"line": range(2, count + 2), **columns}, schema_overrides=dict.fromkeys(columns, pl.String))
    return source.to_contract(frame, key).to_dicts()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("interactions/2017-12-01.csv.gz", ("interactions", date(2017, 12, 1), "csv", "gzip")),
        ("interactions/2017-12-01-late.csv", ("interactions", date(2017, 12, 1), "csv", None)),
        ("items/date=2017-12-01/part-0.parquet", ("items", date(2017, 12, 1), "parquet", None)),
        ("users/2017-12-01/a.jsonl.gz", ("users", date(2017, 12, 1), "jsonl", "gzip")),
        ("item_context/2017-12-01.csv.xz", ("item_context", date(2017, 12, 1), "csv", "xz")),
        ("items/2017-12-01.jsonl.bz2", ("items", date(2017, 12, 1), "jsonl", "bz2")),
        ("interactions/2017-13-01.csv", None),
        ("interactions/a/2017-12-01.csv", None),
        ("orders/2017-12-01.csv", None),
        ("interactions/2017-12-01.txt", None),
    ],
)
def test_the_built_in_mapping_reads_files_in_contract_form(key: str, expected: tuple | None):
    found = built_in_mapping().sources_of(key)
    got = [(s.contract.name, s.file_date(key), s.format_of(key).type, s.format_of(key).compression) for s in found]
    assert got == ([] if expected is None else [expected])


def test_files_in_contract_form_keep_their_columns_as_they_are():
    source = next(source for source in built_in_mapping().sources if source.name == "items")
    (row,) = apply(source, item_id=["1"], price=["2.50"], unknown=["x"])
    assert row == {"line": 2, "kept": True, "mapping_reason": None, "item_id": "1", "price": "2.50"}
    assert source.missing_columns(["price"]) == ["item_id"]


@pytest.mark.parametrize(
    ("glob", "key", "day"),
    [
        ("sales/{date:%Y%m%d}.csv", "sales/20171201.csv", date(2017, 12, 1)),
        ("{date:%Y/%m/%d}/*.csv", "2017/12/01/a.csv", date(2017, 12, 1)),
        ("year={date:%Y/month=%m/day=%d}/*", "year=2017/month=12/day=01/x", date(2017, 12, 1)),
        ("**/e-{date:%d%b%Y}.csv", "a/b/e-01Dec2017.csv", date(2017, 12, 1)),
        ("**/e-{date:%y%m%d}.csv", "e-171201.csv", date(2017, 12, 1)),
    ],
)
def test_dates_in_names(glob: str, key: str, day: date):
    pattern = compile_glob(glob)
    assert pattern.matches(key) and pattern.file_date(key) == day


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.csv", "a.csv", "a/b.csv"),
        ("**/*.csv", "a/b/c.csv", "a.csv.gz"),
        ("a?.csv", "ab.csv", "a/.csv"),
        ("x[ab].csv", "xa.csv", "xc.csv"),
        ("x[0-9].csv", "x7.csv", "x-.csv"),
        ("x[!0-9].csv", "xa.csv", "x7.csv"),
        ("x.{csv,csv.gz}", "x.csv.gz", "x.parquet"),
        ("a.csv", "a.csv", "aXcsv"),
        ("{date}.csv", "2017-02-28.csv", "2017-02-30.csv"),
    ],
)
def test_globs(glob: str, yes: str, no: str):
    assert compile_glob(glob).matches(yes) and not compile_glob(glob).matches(no)


@settings(max_examples=300)
@given(glob=st.text("ab*?/[]{}.,!-", max_size=12), key=st.text("ab/.", max_size=8))
def test_any_glob_is_a_pattern_or_an_error(glob: str, key: str):
    try:
        compile_glob(glob).matches(key)
    except ValueError as error:
        assert str(error)


def test_a_row_in_the_contracts_form():
    source = events(
        ", item_id: '{a}-{b}', price: {column: p, decimal: ',', thousands: '.'}, quantity: '= number(q) * 2',"
        " value: {column: c, divide_by: 100}, surface: {column: s, map: {H: home}, default: shop}, context: {columns: [a, q]}",
        "where: 'q != \"0\"', empty: ['NULL'],",
        "timezone: Europe/Berlin",
    )
    rows = apply(
        source, u=["1", "2", "NULL"], t=["2017-12-01 08:00", "2017-12-01", "x"], a=["x", "y", None], b=["1", None, "3"],
        p=["1.234,50", "12.5", None], q=["3", "0", "z"], c=["1999", "5", None], s=["H", "NULL", "T"],
    )  # fmt: skip
    assert rows[0] == {
        "line": 2, "kept": True, "mapping_reason": None, "event_id": "x.csv:2", "event_type": "purchase", "user_id": "1",
        "item_id": "x-1", "event_ts": "2017-12-01T07:00:00.000000Z", "quantity": "6", "price": "1234.50", "surface": "home",
        "value": "19.99", "context": '{"a":"x","q":"3"}',
    }  # fmt: skip
    assert (rows[1]["kept"], rows[1]["mapping_reason"], rows[1]["item_id"], rows[1]["surface"]) == (False, None, None, "shop")
    assert (rows[2]["kept"], rows[2]["mapping_reason"], rows[2]["user_id"]) == (True, "not_a_timestamp: event_ts", None)
    assert source.missing_columns(["u", "t", "a"]) == ["b", "q", "p", "s", "c"] or set(
        source.missing_columns(["u", "t", "a"])
    ) == set("bqpsc")


@pytest.mark.parametrize(
    ("spelling", "text", "number"),
    [
        ("decimal: ','", "12,5", "12.5"), ("decimal: ','", "12.5", None), ("decimal: ','", "1,2,3", None),
        ("decimal: ',', thousands: '.'", "1.234.567,8", "1234567.8"), ("decimal: ',', thousands: '.'", "12.5", None),
        ("thousands: ','", "1,234.5", "1234.5"), ("thousands: \"'\"", "1'234", "1234"),
        ("divide_by: 100", "1999", "19.99"), ("divide_by: 100", "x", None), ("decimal: ','", "-3", "-3"),
    ],
)  # fmt: skip
def test_numbers_in_other_notations(spelling: str, text: str, number: str | None):
    (row,) = apply(events(f", price: {{column: p, {spelling}}}"), u=["1"], t=["2017-12-01"], p=[text])
    assert row["price"] == number
    assert row["mapping_reason"] == (None if number else "not_a_number: price")


def test_nested_json_and_hashes():
    source = events(", item_id: 'item.ids[0].sku', session_id: {hash_of: [u, day]}")
    rows = apply(
        source, u=["1", "1", "11"], t=["2017-12-01"] * 3, item=['{"ids":[{"sku":"A"}]}', "{}", None], day=["12", "12", "2"]
    )
    assert [row["item_id"] for row in rows] == ["A", None, None]
    assert rows[0]["session_id"] == rows[1]["session_id"] != rows[2]["session_id"]
    assert len(rows[0]["session_id"]) == 32


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(*[st.none() | st.text(max_size=4)] * 2), min_size=1, max_size=6))
def test_hashes_tell_all_rows_apart_that_differ(rows: list[tuple]):
    source = events(", session_id: {hash_of: [a, b]}")
    found = apply(source, u=["1"] * len(rows), t=["x"] * len(rows), a=[row[0] for row in rows], b=[row[1] for row in rows])
    distinct = {tuple(value or None for value in row) for row in rows}
    assert len({row["session_id"] for row in found}) == len(distinct)


def test_a_date_column_dates_rows_of_a_catalogue():
    source = one("dataset: items, files: x.csv, date: {column: d, format: unix_ms}, fields: {item_id: i}")
    rows = apply(source, i=["1", "2"], d=["1431226800000", "soon"])
    assert [(row["row_date"], row["mapping_reason"]) for row in rows] == [("2015-05-10", None), (None, "not_a_date: d")]


def test_one_file_may_feed_several_sources():
    text = f"""
sources:
  buys: {{dataset: interactions, files: t.csv, fields: {{{EVENT_FIELDS}}}}}
  goods: {{dataset: items, files: t.csv, date: 2017-01-01, fields: {{item_id: i}}}}
"""
    mapping = parse_mapping(text, "shop.yaml")
    assert [(source.name, source.file_date("t.csv")) for source in mapping.sources_of("t.csv")] == [
        ("buys", None), ("goods", date(2017, 1, 1)),
    ]  # fmt: skip


def test_what_the_api_uploads_is_read_as_it_writes_it_whatever_the_shop_says():
    own = parse_mapping(
        f"sources: {{tx: {{dataset: interactions, files: '**/*.jsonl', fields: {{{EVENT_FIELDS}}}}}}}", "shop.yaml"
    )
    for mapping in (own, built_in_mapping()):
        (source,) = mapping.sources_of("interactions/2017-12-01/api-01a.jsonl")
        assert source.name == "api" and source.spec.fields is None
        assert source.file_date("interactions/2017-12-01/api-01a.jsonl") == date(2017, 12, 1)
    assert [source.name for source in own.sources_of("interactions/2017-12-01/web.jsonl")] == ["tx"]


ITEMS = "sources:\n  a:\n    dataset: items\n    files: x.csv\n    date: 2017-01-01\n    "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources:\n  a: {datset: items}", "line 2: source a: datset: is unknown; did you mean dataset? possible are dataset"),
        (ITEMS + "fields: {item_id: {colum: x}}", "line 6: source a: field item_id: colum: is unknown; did you mean column?"),
        (ITEMS + "fields: {item: x}", "source a: items has no field 'item'; possible are item_id, title"),
        (ITEMS + "fields: {title: x}", "source a: items needs item_id; say where from under `fields`"),
        (ITEMS + "fields: {item_id: {column: a, value: b}}", "field item_id: needs exactly one of column, template"),
        (ITEMS + "fields: {item_id: '= lowr(x)'}", "field item_id: 'lowr(x)', character 1: there is no function lowr"),
        (ITEMS + "where: Quantity", "where: 'Quantity' is no condition"),
        (ITEMS + "format: {encoding: klingon}", "format.encoding: no encoding is called 'klingon'"),
        (ITEMS + "format: {header: false}", "format: without a header, `columns` must name the columns"),
        (ITEMS + "format: {delimeter: ';'}", "delimeter: is unknown; did you mean delimiter?"),
        ("sources:\n  a: {dataset: things, files: x}", "dataset: 'things' is not possible; input should be 'interactions'"),
        ("sources:\n  a: {dataset: items, files: x.csv}", "source a: needs a date: {date} in `files`"),
        ("sources:\n  a: {dataset: items, files: 'x{date}.csv', date: 2017-01-01}", "the date is in the name already"),
        ("sources:\n  a: {dataset: items, files: 'x{date:%d}.csv'}", "{date:%d} is no date"),
        ("timezone: Europe/Berlyn\nsources: {}", "line 1: timezone: no time zone is called 'Europe/Berlyn'"),
        ("sources:\n  a: {dataset: items}\n  a: {dataset: users}", "line 3: 'a' stands there twice"),
        ("sources: [", "is no YAML"),
        ("", "holds no keys; it needs `sources`"),
    ],
)  # fmt: skip
def test_mistakes_name_the_place_and_what_is_possible(text: str, message: str):
    with pytest.raises(MappingError) as error:
        parse_mapping(text, "shop.yaml")
    assert str(error.value).startswith("shop.yaml: ") and message in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(MappingError, match=r"shop.yaml: cannot be read"):
        read_mapping(tmp_path / "shop.yaml")


def test_words_of_yaml_stay_the_texts_they_are():
    source = events(", surface: {column: s, map: {no: Norway, on: 'yes', 1: one}}")
    rows = apply(source, u=["1"] * 3, t=["2017-12-01"] * 3, s=["no", "on", "1"])
    assert [row["surface"] for row in rows] == ["Norway", "yes", "one"]


@pytest.mark.parametrize("name", sorted(LANDING_CONTRACTS))
def test_every_contract_has_a_built_in_source(name: str):
    assert [source.contract.name for source in built_in_mapping().sources].count(name) == 1
