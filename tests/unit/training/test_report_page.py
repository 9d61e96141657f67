"""The page of a report: whole, escaped, and with the figures in it."""

import html
import re
from html.parser import HTMLParser

import pytest
from report_samples import DEPARTMENT, report

from training.metrics import Estimate
from training.report_page import Report, cell, number, page, stages

VOID = {"meta", "br", "img", "link"}
SECTIONS = ["lists", "change", "segments", "scores", "calibration", "learning", "measures"]


class Checked(HTMLParser):
    """Notes what a page is made of; every element that is opened must be closed."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing, at {self.getpos()}"

    def handle_data(self, data):
        self.text.append(data)

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.found if name == tag and attribute in attributes]


@pytest.fixture(scope="module")
def shown() -> Report:
    return report()


@pytest.fixture(scope="module")
def text(shown) -> str:
    return page(shown)


@pytest.fixture(scope="module")
def checked(text) -> Checked:
    return Checked(text)


def test_the_page_is_whole_and_has_every_section(text, checked):
    assert text.startswith("<!DOCTYPE html>")
    assert checked.open == []
    assert checked.values("h2", "id") == SECTIONS
    assert checked.values("meta", "charset") == ["utf-8"]


def test_nothing_runs_and_nothing_is_loaded_from_elsewhere(text, checked):
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in checked.found}
    assert not [name for _, attributes in checked.found for name in attributes if name.startswith("on")]
    links = [value for name in ("href", "src") for tag, _ in checked.found for value in checked.values(tag, name)]
    assert links and all(str(link).startswith("#") for link in links)
    assert re.findall(r"url\((?!#)", text) == []


def test_names_of_the_shop_are_escaped_in_tables_and_plots(text, checked):
    assert "<DELI" not in text
    assert text.count(html.escape(DEPARTMENT)) >= 4  # two tables and two plots
    assert "department <DELI & CO> lost" in "".join(checked.text)


def test_the_figures_are_in_it(shown, text, checked):
    words = " ".join(" ".join(checked.text).split())
    assert "Ranker version 7 of 2017-11-30" in words and "refused" in words and "champion before it is version 5" in words
    ndcg = shown.figures.views["all"].lists["challenger"]["ndcg"]
    assert f"<td>{number(ndcg.value)}<small>{number(ndcg.low, 3)} to {number(ndcg.high, 3)}</small></td>" in text
    change = shown.figures.views["all"].change["ndcg"].value
    assert f"+{number(change)} to the champion" in words
    for name in ("popularity", "buy again by visits", "ALS", "light", "heavy", "head", "tail", "GROCERY"):
        assert name in words, name


def test_every_plot_says_what_it_is(checked):
    labels = checked.values("svg", "aria-label")
    assert len(labels) == len(set(labels)) == 12
    assert {"Loss of the encoder by epoch", "Loss of the scorer by epoch", "How many of the top 10 stayed"} <= set(labels)


def test_losses_are_drawn_by_stage(shown):
    lines = {"encoder": {"training": [7.5, 7.25], "validation": [7.75, 7.5]}, "scorer": {"training": [0.125]}}
    assert stages(shown) == lines


def test_a_first_model_and_a_run_without_losses():
    first = Report(**(vars(report(champion=False)) | {"losses": {}, "verdict": "", "reason": ""}))
    checked = Checked(page(first))
    words = " ".join(" ".join(checked.text).split())
    assert checked.values("h2", "id") == SECTIONS
    assert "There was no champion before it" in words and "holds no losses" in words
    assert "champion None" not in words and "nan" not in words


def test_numbers():
    assert [number(value) for value in (0.12345, -0.5, 12.345, float("nan"))] == ["0.1235", "-0.5000", "12.35", "–"]
    assert cell(Estimate(0.5, 0.4, 0.6), sign=True) == {"value": "+0.5000", "interval": "0.400 to 0.600"}
    assert cell(Estimate(0.5, 0.5, 0.5)) == {"value": "0.5000", "interval": ""}
