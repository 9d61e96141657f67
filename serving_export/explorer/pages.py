"""Turning what was read into HTML: one template a page; every value is escaped."""

from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2

from serving_export.explorer.charts import HEIGHT, WIDTH

BASE = "/explorer"
HERE = Path(__file__).parent
LIST_TITLES = {"for_you": "For you", "buy_again": "Buy again", "discover": "Discover"}


def link(page: str, **query: str) -> str:
    """The address of a page of the explorer. Ids stand in the query, where any text may: `.` and `/` as well."""
    address = f"{BASE}/{page}"
    return f"{address}?{urlencode(query)}" if query else address


def number(value: float | None, digits: int = 0) -> str:
    """With thousands set apart; an en dash for nothing."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def day(value: date | None) -> str:
    """As people read it: 1 Dec 2017."""
    return "–" if value is None else f"{value.day} {value:%b %Y}"


def moment(value: datetime | None) -> str:
    return "–" if value is None else f"{day(value)}, {value:%H:%M}"


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)  # fmt: skip
TEMPLATES.globals |= {"link": link, "list_titles": LIST_TITLES, "plot_width": WIDTH, "plot_height": HEIGHT}
TEMPLATES.filters |= {"number": number, "percent": percent, "day": day, "moment": moment}


def render(template: str, **values: Any) -> str:
    """A page. `query` is what stands in the search field."""
    return TEMPLATES.get_template(f"{template}.html.jinja").render({"query": "", "signed_in": True} | values)
