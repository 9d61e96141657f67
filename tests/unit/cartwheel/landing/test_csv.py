"""CSV in every state of repair: the same rows as Python's csv module, at the same lines, wherever blocks end."""

import csv
import io
import re
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cartwheel.landing import blocks
from cartwheel.landing.chunks import BadFileError
from cartwheel.landing.csv_reader import read_csv
from cartwheel.landing.text import BLOCK_BYTES, Utf8Stream

Rows = list[tuple[int, list[str | None], str]]  # line, values, original
Bad = list[tuple[int, str, str]]  # line, reason, original


def parse(
    text: bytes, delimiter: str = ",", quote: str = '"', encoding: str = "utf-8", columns=None, block_bytes: int = BLOCK_BYTES
) -> tuple[Rows, Bad]:
    rows: Rows = []
    bad: Bad = []
    stream = Utf8Stream(io.BytesIO(text), encoding)
    for chunk in read_csv(stream, delimiter, quote, columns is None, columns, block_bytes):
        originals = chunk.originals(range(len(chunk.frame)))
        values = chunk.frame.drop("line").rows()
        rows += [(line, list(row), text) for line, row, text in zip(chunk.frame["line"], values, originals, strict=True)]
        bad += [(row.line, row.reason, row.original) for row in chunk.malformed]
    return sorted(rows), sorted(bad)


def by_csv_module(text: str, width: int) -> tuple[Rows, Bad]:
    """What the csv module says, strictly; a record it refuses costs one physical line."""
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)
    rows: Rows = []
    bad: Bad = []
    at = 1  # after the header
    while at < len(lines):
        if lines[at].strip("\r\n") == "":
            at += 1
            continue
        reader = csv.reader(lines[at:], strict=True)
        try:
            values = next(reader)
        except csv.Error as error:
            reason = "unclosed_quote" if "end of data" in str(error) else "bad_quotes"
            bad.append((at + 1, reason, lines[at].rstrip("\r\n")))
            at += 1
            continue
        original = "".join(lines[at : at + reader.line_num]).rstrip("\r\n")
        if len(values) == width:
            rows.append((at + 1, [value or None for value in values], original))
        else:
            bad.append((at + 1, f"column_count: {len(values)}, not {width}", original))
        at += reader.line_num
    return rows, bad


wild = st.text(st.sampled_from(list('ab,"\n\r é😀')), max_size=40)
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
pieces = st.sampled_from(['"', '""', ",", "\n", "\r\n", "\r", "a", 'x"y', '"a,b"', '"a\nb"', '"a""b"', ' "', '" ', "é"])


@settings(max_examples=600)
@given(text=wild | st.lists(pieces, max_size=25).map("".join), block_bytes=st.integers(1, 30))
@example(text='"a\nb","c\n1,2', block_bytes=5)
@example(text='1,"x\ny"', block_bytes=3)
def test_the_same_rows_and_lines_as_the_csv_module(text: str, block_bytes: int):
    file = "a,b\n" + text
    expected = by_csv_module(file, 2)
    assert parse(file.encode()) == expected
    assert parse(file.encode(), block_bytes=block_bytes) == expected


@settings(max_examples=150)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"), max_size=8)] * 3), max_size=8
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    block_bytes=st.integers(1, 50),
)
def test_what_the_csv_module_writes_is_read_back(rows, delimiter: str, end: str, encoding: str, block_bytes: int):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    found, bad = parse(buffer.getvalue().encode(encoding), delimiter, encoding=encoding, block_bytes=block_bytes)
    assert bad == []
    assert [values for _, values, _ in found] == [[value or None for value in row] for row in rows]


@pytest.mark.parametrize(
    ("text", "values", "bad"),
    [
        (b"a,b\n", [], []),
        (b"a,b", [], []),
        (b"\xef\xbb\xbfa,b\n1,2", [["1", "2"]], []),
        ("a,b\nä,2".encode("utf-16"), [["ä", "2"]], []),
        (b'a,b\n1,5" pipe\n3,4\n', [["1", '5" pipe'], ["3", "4"]], []),
        (b'a,b\n"x\n\ny",2\n', [["x\n\ny", "2"]], []),
        (b"a,b\n1\n1,2,3\n\n1,2\n", [["1", "2"]], [(2, "column_count: 1, not 2", "1"), (3, "column_count: 3, not 2", "1,2,3")]),
        (b"a,b\n1,\0\n1,2\n", [["1", "2"]], [(2, "nul_byte", "1,\\x00")]),
        (b"a,b\n1,\xff\xe9\n1,2\n", [["1", "2"]], [(2, "not_utf8", "1,\\xff\\xe9")]),
        (b'a,b\n"1,2\n3,4\n5,6\n', [["3", "4"], ["5", "6"]], [(2, "unclosed_quote", '"1,2')]),
        (b'a,b\n"1"x,2\n3,4\n', [["3", "4"]], [(2, "bad_quotes", '"1"x,2')]),
        (b"a,a,,line\n1,2,3,4\n", [["1", "2", "3", "4"]], []),
    ],
)
def test_odd_files(text: bytes, values: list, bad: Bad):
    for block_bytes in (BLOCK_BYTES, 3):
        found, malformed = parse(text, block_bytes=block_bytes)
        assert ([row for _, row, _ in found], malformed) == (values, bad)


def test_names_of_columns_are_made_unique():
    chunk = next(read_csv(Utf8Stream(io.BytesIO(b"a, a ,,line\n"), "utf-8"), ",", '"', True, None))
    assert chunk.frame.columns == ["line", "a", "a_2", "column_3", "line_2"]


def test_other_dialects():
    assert parse(b'1::5\n2::"x\n', "::", "", columns=("u", "i"))[0] == [(1, ["1", "5"], "1::5"), (2, ["2", '"x'], '2::"x')]
    assert parse(b"1::'a::b'::\n", "::", "'", columns=("a", "b", "c"))[0] == [(1, ["1", "a::b", None], "1::'a::b'::")]
    assert parse("1§2\n".encode("latin-1"), "§", encoding="latin-1", columns=("a", "b"))[0] == [(1, ["1", "2"], "1§2")]
    assert parse("a;b\né;€\n".encode("cp1252"), ";", encoding="cp1252")[0] == [(2, ["é", "€"], "é;€")]
    assert parse(b"a;b\n\x81;1\nx;2\n", ";", encoding="cp1252") == ([(3, ["x", "2"], "x;2")], [(2, "not_cp1252", "\\x81;1")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty: there is not even a header"),
        (b"\n\r\n", "is empty"),
        (b'"a,b\n1,2\n', "its header cannot be read: unclosed_quote"),
        (b"a,\xff\n1,2\n", "its header is not in the file's encoding"),
        (b"a,\0\n", "NUL"),
    ],
)
def test_a_file_without_a_readable_header_is_an_error(text: bytes, message: str):
    with pytest.raises(BadFileError, match=message):
        parse(text)


@settings(max_examples=200)
@given(
    texts=st.lists(st.text(st.sampled_from(list('a,"\n')), max_size=30), max_size=6),
    block_bytes=st.integers(1, 64),
)
@example(texts=['aaaaaaa,"""', '"a'], block_bytes=1)
def test_long_records_are_told_alike_wherever_blocks_end(texts: list[str], block_bytes: int):
    with pytest.MonkeyPatch.context() as patch:
        for module in ("cartwheel.landing.blocks", "cartwheel.landing.csv_records"):
            patch.setattr(f"{module}.MAX_RECORD_BYTES", 12)
        patch.setattr("cartwheel.landing.blocks.KEPT_BYTES", 8)
        file = ("a,b\n" + "\n".join(texts)).encode()
        expected = parse(file)
        assert parse(file, block_bytes=block_bytes) == expected
        found, bad = expected
        assert all(len(original) <= 12 for _, _, original in found)
        assert all(len(original) == 8 for _, reason, original in bad if reason.startswith("line_too_long"))
        covered = {line + n for line, _, original in [*found, *bad] for n in range(original.count("\n") + 1)}
        assert {n for n, line in enumerate(file.decode().split("\n"), start=1) if line and n > 1} <= covered


class Endless:
    """100 MB in one line between two rows, made while it is read."""

    def __init__(self, start: bytes, filler: bytes, end: bytes) -> None:
        self.parts = iter([start, *[filler * (1 << 20)] * 100, end])
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        self.rest = self.rest or next(self.parts, b"")
        part, self.rest = self.rest[:size], self.rest[size:]
        return part


@pytest.mark.parametrize("start", [b'1,2\n3,"', b"1,2\n3,"], ids=["in quotes", "without quotes"])
def test_a_line_of_100_megabytes_is_one_rejected_row_in_little_memory(start: bytes):
    tracemalloc.start()
    try:
        found, bad = [], []
        stream = Utf8Stream(Endless(b"a,b\n" + start, b"x", b"\n5,6\n"), "utf-8")
        for chunk in read_csv(stream, ",", '"', True, None):
            found += chunk.frame.rows()
            bad += chunk.malformed
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [(2, "1", "2"), (4, "5", "6")]
    assert [(row.line, row.reason, len(row.original)) for row in bad] == [
        (3, f"line_too_long: {100 * 2**20 + len(start) - 4} bytes", 64 * 1024)
    ]
    assert peak < 40 << 20


def test_an_unclosed_quote_costs_its_line_and_not_the_rest_of_the_file():
    many = "".join(f"{n},v{n}\n" for n in range(300_000))
    found, bad = parse(f'a,b\n1,"never closed\n{many}'.encode())
    assert bad == [(2, "unclosed_quote", '1,"never closed')]
    assert (len(found), found[0][:2], found[-1][:2]) == (300_000, (3, ["0", "v0"]), (300_002, ["299999", "v299999"]))
    assert len(f'1,"never closed\n{many}') > 2 * blocks.MAX_RECORD_BYTES
