"""The analysts' guide is of one piece: questions, query files, tables and plots."""

import re
import sys
from datetime import date
from decimal import Decimal

import pytest

from cartwheel.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "docs/analysts"
GUIDE = (PROJECT_ROOT / "docs/analysts.md").read_text()
BLOCK = re.compile(r"<!-- (\d\d_\w+)(?: (\d+))? -->\n```sql\n(.*?)```\n\n(.*?)<!-- end -->", re.DOTALL)
BLOCKS = {match[1]: match for match in BLOCK.finditer(GUIDE)}
FILES = {path.stem: path.read_text() for path in sorted((FOLDER / "queries").glob("*.sql"))}


@pytest.fixture
def build(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    try:
        yield __import__("build")
    finally:
        for name in ("build", "plots"):
            sys.modules.pop(name, None)


def test_fifteen_questions_each_with_a_query_an_answer_and_a_word_on_it():
    headings = re.findall(r"^## (\d+)\. .*\?$", GUIDE, re.MULTILINE)
    assert [int(number) for number in headings] == list(range(1, 16))
    for number, section in enumerate(re.split(r"^## \d+\. ", GUIDE, flags=re.MULTILINE)[1:], start=1):
        names = [match[1] for match in BLOCK.finditer(section)]
        assert len(names) == 1 and names[0].startswith(f"{number:02}_")
        assert len(section.rpartition("<!-- end -->")[2].split()) > 20, f"question {number} is not interpreted"


def test_the_guide_shows_the_query_files_as_they_are():
    assert {name: match[3] for name, match in BLOCKS.items()} == FILES
    assert len(FILES) == 16


def test_the_queries_are_short_and_read_marts_alone():
    for name, text in FILES.items():
        assert len(text.splitlines()) <= 37 and max(map(len, text.splitlines())) <= 130, name
        steps = set(re.findall(r"(?:with |^)(\w+) as (?:materialized )?\(", text, re.MULTILINE))
        code = re.sub(r"--.*", "", text)
        read = re.findall(r"\b(?:from|join) ([a-z_.]+)", re.sub(r"extract\(\w+ from", "", code))
        assert read and {table for table in read if not table.startswith("marts.")} <= steps, name


def test_every_answer_has_rows_and_every_plot_is_shown(build):
    for name, match in BLOCKS.items():
        table = [line for line in match[4].splitlines() if line.startswith("|")]
        assert len(table) >= 4, f"{name} has no answer"
        assert match[2] is None or len(table) == 2 + int(match[2])
        assert len({line.replace(r"\|", "").count("|") for line in table}) == 1
    shown = re.findall(r"!\[[^\]]+\]\(analysts/plots/(\w+)\.svg\)", GUIDE)
    assert sorted(shown) == sorted(build.PLOTS) == sorted(path.stem for path in (FOLDER / "plots").iterdir())


def test_a_table_as_the_guide_shows_it(build):
    answer = build.Answer(["name", "items"], [("a|b", 1234), (None, Decimal("0.50")), ("c", 7.0), (date(2017, 1, 2), None)])
    assert build.as_table(answer, 3).splitlines() == [
        "| name | items |", "| --- | ---: |", "| a\\|b | 1,234 |", "|  | 0.50 |", "| c | 7 |", "", "*The first 3 of 4 rows.*",
    ]  # fmt: skip
    assert build.as_table(answer, None).splitlines()[-1] == "| 2017-01-02 |  |"
    with pytest.raises(TypeError, match="cast it to text"):
        build.as_text(["a list"])


def records_of(table: str) -> list[dict]:
    """The rows of a table of the guide, as they came from the database."""
    columns, sides, *rows = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("|")]

    def value(cell: str, side: str) -> int | float | str | None:
        if side == "---" or not cell:
            return cell or None
        return float(cell.replace(",", "")) if "." in cell else int(cell.replace(",", ""))

    return [dict(zip(columns, map(value, row, sides), strict=True)) for row in rows]


def test_a_plot_can_be_drawn_of_one_row_as_of_many(build):
    for name, plot in build.PLOTS.items():
        records = records_of(BLOCKS[name][4])
        for some in (records[:1], records):
            figure, alternative = plot(some)
            figure.canvas.draw()
            (axes, *_) = figure.axes
            assert axes.get_xlabel() and len(alternative.split()) > 4, name
    assert build.draw("01_concentration", build.Answer(["tenth"], [])) == ""


def test_the_queries_of_the_guide_are_replaced_and_its_words_stay(build, monkeypatch):
    monkeypatch.setattr(build, "ask", lambda connection, query: build.Answer(["dates"], [(1,), (2,)]))
    text = "Before.\n<!-- 00_freshness 1 -->\nold\n<!-- end -->\nAfter."
    once = build.BLOCK.sub(lambda match: build.block(None, match[1], match[2]), text)
    assert once == (
        f"Before.\n<!-- 00_freshness 1 -->\n```sql\n{FILES['00_freshness']}```\n\n"
        "| dates |\n| ---: |\n| 1 |\n\n*The first 1 of 2 rows.*\n<!-- end -->\nAfter."
    )
    assert build.BLOCK.sub(lambda match: build.block(None, match[1], match[2]), once) == once
