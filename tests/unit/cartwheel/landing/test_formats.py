"""JSON Lines, Parquet, compressions and encodings give the same rows as plain CSV; broken files are named."""

import bz2
import gzip
import io
import json
import lzma

import polars as pl
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from landed_files import KEY, read

from cartwheel.landing.chunks import BadFileError
from cartwheel.landing.json_reader import read_json_lines
from cartwheel.landing.parquet_reader import read_parquet
from cartwheel.landing.text import Utf8Stream
from cartwheel.shop.mapping import parse_mapping

CSV = "event_id,event_type,user_id,item_id,event_ts,quantity,price,context\n" + "".join(
    f'e{n},purchase,ü{n},i,2017-11-30T10:00:{n:02}Z,2,1.50,"{{""n"": {n}}}"\n' for n in range(50)
)
DIRECTORY = KEY.removesuffix(".csv")


def test_compressions_and_encodings_give_the_same_rows():
    expected = read(CSV.encode()).accepted
    assert expected["line"].to_list() == list(range(2, 52))
    compressed = {
        "csv.gz": gzip.compress(CSV.encode()[:700]) + gzip.compress(CSV.encode()[700:]),  # two members are one file
        "csv.bz2": bz2.compress(CSV.encode()),
        "csv.xz": lzma.compress(CSV.encode()),
        "csv.zst": zstandard.compress(CSV.encode()),
    }
    for ending, payload in compressed.items():
        assert read(payload, f"{DIRECTORY}.{ending}").accepted.equals(expected), ending
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):  # their byte order marks say so
        assert read(CSV.encode(encoding)).accepted.equals(expected), encoding
    latin = parse_mapping(
        "sources: {i: {dataset: interactions, files: 'interactions/{date}.csv', format: {encoding: latin-1}}}", "l"
    )
    assert read(CSV.encode("latin-1"), KEY, latin).accepted.equals(expected)


def test_reordered_and_extra_columns_are_fine():
    frame = pl.read_csv(io.StringIO(CSV), infer_schema=False)
    other = frame.select("price", pl.lit("x").alias("unknown"), *reversed([c for c in frame.columns if c != "price"]))
    assert read(other.write_csv().encode()).accepted.equals(read(CSV.encode()).accepted)


def test_json_lines_and_parquet_give_the_same_rows_as_csv():
    frame = pl.read_csv(io.StringIO(CSV), try_parse_dates=True)
    assert frame.schema["event_ts"] == pl.Datetime("us", "UTC")
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    nested = frame.with_columns(pl.col("context").str.json_decode(pl.Struct({"n": pl.Int64})))
    typed = io.BytesIO()
    nested.write_parquet(typed)
    expected = read(CSV.encode()).accepted.drop("line", "context")
    for payload in (buffer.getvalue(), typed.getvalue()):
        result = read(payload, f"{DIRECTORY}.parquet").accepted
        assert result.drop("line", "context").equals(expected)
        assert result["line"].to_list() == list(range(1, 51))
        assert json.loads(result["context"][7]) == {"n": 7}
    texts = [
        f'{{"event_id": "e{n}", "event_type": "purchase", "user_id": "ü{n}", "item_id": "i",'
        f' "event_ts": "2017-11-30T10:00:{n:02}Z", "quantity": 2, "price": 1.50, "context": {{"n": {n}}}}}'
        for n in range(50)
    ]
    result = read("\n".join(texts).encode(), f"{DIRECTORY}.jsonl").accepted
    assert result.drop("line", "context").equals(expected)
    assert result["context"][7] == '{"n":7}'


def json_rows(text: bytes, block_bytes: int = 1 << 20) -> tuple[list[dict], list[tuple]]:
    rows, bad = [], []
    for chunk in read_json_lines(Utf8Stream(io.BytesIO(text), "utf-8"), block_bytes):
        assert chunk.originals(range(len(chunk.frame))) == [
            text.split(b"\n")[n - 1].decode().rstrip("\r") for n in chunk.frame["line"]
        ]
        rows += [{name: value for name, value in row.items() if value is not None} for row in chunk.frame.rows(named=True)]
        bad += [(row.line, row.reason, row.original) for row in chunk.malformed]
    return rows, bad


def test_json_values_keep_their_text():
    line = (
        b'{"a": 1.50, "b": 1e3, "c": 12345678901234567890, "d": {"x": [1.10, null, true, "\xc3\xa9\\n"]}, "e": "", "f": null,'
        b' "g": false, "line": 7}'
    )
    assert json_rows(line)[0] == [
        {
            "line": 1,
            "a": "1.50",
            "b": "1e3",
            "c": "12345678901234567890",
            "d": '{"x":[1.10,null,true,"é\\n"]}',
            "g": "false",
            "line_2": "7",
        }
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1, 2]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'{"a": 1', "not_json"),
        (b'{"a": 1} {"a": 2}', "not_json"),
        (b"[" * 50_000, "not_json"),
        (b"a,b,c", "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b'{"a": "\\ud800"}', "not_utf8"),
        (b'{"a": "\0"}', "nul_byte"),
    ],
)
def test_lines_that_are_no_objects_are_rejected(line: bytes, reason: str):
    rows, bad = json_rows(b'{"a": 1}\r\n\n' + line + b'\n{"a": 2}')
    assert [row["line"] for row in rows] == [1, 4]
    assert [entry[:2] for entry in bad] == [(3, reason)]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=150)
@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=6), block_bytes=st.integers(1, 60))
def test_what_json_writes_is_read_back(rows: list[dict], block_bytes: int):
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    found, bad = json_rows(text, block_bytes)
    assert (bad, len(found)) == ([], len(rows))
    for line, (row, expected) in enumerate(zip(found, rows, strict=True), start=1):
        assert row.pop("line") == line
        assert row.keys() == {name for name, value in expected.items() if value not in (None, "")}
        for name, text in row.items():
            assert (text if isinstance(expected[name], str) else json.loads(text)) == expected[name]


def test_parquet_in_pieces_gives_the_same_rows(tmp_path):
    pl.DataFrame({"a": range(100), "b": [["x", None]] * 100, "c": [b"text"] * 100}).write_parquet(tmp_path / "f")
    whole = [chunk.frame for chunk in read_parquet(tmp_path / "f")]
    pieces = [chunk.frame for chunk in read_parquet(tmp_path / "f", chunk_rows=7)]
    assert len(pieces) > 10 and pl.concat(pieces).equals(pl.concat(whole))
    assert pl.concat(whole).row(41) == (42, "41", '["x",null]', "text")


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("payload", "ending", "message"),
    [
        (b"", "csv", "is empty"),
        (b"", "csv.gz", "is empty"),
        (b"", "parquet", "cannot be read as Parquet"),
        (b"not gzip", "csv.gz", "cannot be read as gzip: Not a gzipped file"),
        (gzip.compress(CSV.encode())[:-20], "csv.gz", "cannot be read as gzip: Compressed file ended"),
        (gzip.compress(CSV.encode())[:-8] + b"\0" * 8, "csv.gz", "cannot be read as gzip: CRC check failed"),
        (gzip.compress(CSV.encode())[:200] + b"\xff" * 200, "csv.gz", "cannot be read as gzip"),
        (lzma.compress(CSV.encode())[:-30], "csv.xz", "cannot be read as xz"),
        (bz2.compress(CSV.encode())[:-30], "csv.bz2", "cannot be read as bz2"),
        (zstandard.compress(CSV.encode())[:-30], "csv.zst", "cannot be read as zstd"),
        (b"not parquet", "parquet", "cannot be read as Parquet"),
        (
            parquet(event_id=["e"], user_id=["u"]),
            "parquet",
            r"lacks the column\(s\) event_type, event_ts; it has event_id, user_id",
        ),
        (parquet(event_id=["e"])[:-30], "parquet", "cannot be read as Parquet"),
        (b"event_id,user_id\ne1,u1\n", "csv", r"lacks the column\(s\) event_type, event_ts; it has event_id, user_id"),
        (CSV.encode("utf-16")[2:], "csv", "NUL"),
    ],
)
def test_an_unreadable_file_says_why(payload: bytes, ending: str, message: str):
    with pytest.raises(BadFileError, match=message):
        read(payload, f"{DIRECTORY}.{ending}")


def test_bytes_that_are_no_text_are_named(tmp_path):
    pa.parquet.write_table(pa.table({"a": [b"\xff"]}), tmp_path / "f")
    with pytest.raises(BadFileError, match="column a holds bytes that are no text"):
        list(read_parquet(tmp_path / "f"))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_no_rows_are_fine(ending: str):
    empty = {
        "csv": CSV.split("\n")[0].encode(),
        "jsonl": b"",
        "parquet": parquet(event_id=[], event_type=[], user_id=[], event_ts=[]),
    }
    assert read(empty[ending], f"{DIRECTORY}.{ending}").rows == 0


def test_json_objects_may_leave_out_what_is_empty_but_not_what_is_required():
    good = {"event_id": "e1", "event_type": "view", "user_id": "u", "event_ts": "2017-11-30T10:00:00Z"}
    lines = [good, {**good, "event_id": "e2", "user_id": None}, {"event_id": "e3"}]
    result = read("\n".join(map(json.dumps, lines)).encode(), f"{DIRECTORY}.jsonl")
    assert result.accepted["event_id"].to_list() == ["e1"]
    assert result.reasons == [(2, "missing: user_id"), (3, "missing: event_type")]
